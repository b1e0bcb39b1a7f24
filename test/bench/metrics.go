package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// metrics are series by name and labels, as they are printed.
type metrics map[string]float64

// parseMetrics reads the text format. It leaves out lines that it cannot read.
func parseMetrics(text io.Reader) (metrics, error) {
	m := metrics{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if space < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if value, err := strconv.ParseFloat(line[space+1:], 64); err == nil {
			m[line[:space]] = value
		}
	}
	return m, lines.Err()
}

// sum adds up the series of that name that have that label, and counts them.
func (m metrics) sum(name, label string) (sum float64, series int) {
	for key, value := range m {
		metric, labels, _ := strings.Cut(key, "{")
		if metric == name && strings.Contains(","+strings.TrimSuffix(labels, "}")+",", ","+label+",") {
			sum += value
			series++
		}
	}
	return sum, series
}

// total adds up all series of that name.
func (m metrics) total(name string) (sum float64) {
	for key, value := range m {
		if metric, _, _ := strings.Cut(key, "{"); metric == name {
			sum += value
		}
	}
	return sum
}

// idle reports whether nothing waits for a controller and nothing is at work, after at least so
// many passes.
func (m metrics) idle(controller string, passes int) bool {
	done, _ := m.sum("controller_runtime_reconcile_total", `controller="`+controller+`"`)
	waiting, _ := m.sum("workqueue_depth", `name="`+controller+`"`)
	working, known := m.sum("controller_runtime_active_workers", `controller="`+controller+`"`)
	return known > 0 && done >= float64(passes) && waiting == 0 && working == 0
}

// scraper reads the metrics that one operator serves.
type scraper struct {
	client         *http.Client
	address, token string
}

func newScraper(address, token string) *scraper {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	} // The operator's own certificate, on loopback.
	return &scraper{client: &http.Client{Transport: transport, Timeout: 10 * time.Second}, address: address, token: token}
}

func (s *scraper) close() { s.client.CloseIdleConnections() }

func (s *scraper) scrape(ctx context.Context) (metrics, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+s.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the operator's metrics: %s", response.Status)
	}
	return parseMetrics(response.Body)
}
