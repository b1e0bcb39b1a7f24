package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is the unit of CPU time in /proc: USER_HZ, which is 100 on every architecture that
// Go runs on.
const ticksPerSecond = 100

// usage is what a process has used.
type usage struct {
	cpuSeconds float64
	resident   float64 // bytes
}

func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	u, err := parseStat(stat, os.Getpagesize())
	if err != nil {
		return usage{}, fmt.Errorf("reading what process %d uses: %w", pid, err)
	}
	return u, nil
}

// parseStat reads /proc/<pid>/stat, whose fields are counted from behind the program's name, since
// that may hold anything.
func parseStat(stat []byte, pageSize int) (usage, error) {
	_, rest, found := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(")"))
	fields := strings.Fields(string(rest))
	const utime, stime, rss = 11, 12, 21
	if !found || len(fields) <= rss {
		return usage{}, errors.New("too few fields")
	}
	var values [3]float64
	for i, field := range []int{utime, stime, rss} {
		value, err := strconv.ParseFloat(fields[field], 64)
		if err != nil {
			return usage{}, err
		}
		values[i] = value
	}
	return usage{cpuSeconds: (values[0] + values[1]) / ticksPerSecond, resident: values[2] * float64(pageSize)}, nil
}
