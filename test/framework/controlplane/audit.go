package controlplane

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Write is one write that the API server answered, by its own audit log.
type Write struct {
	Verb           string
	User           string
	Resource       string
	Subresource    string
	Namespace      string
	Name           string
	ResponseStatus int32
	// Annotations are what admission and authorization noted.
	Annotations map[string]string
	// Received is when the API server got the request, At when it answered.
	Received, At time.Time
}

// Stored reports whether the write is of a kind that changes what the cluster holds, whatever the
// API server answered. Reviews are questions in the form of a write and store nothing, and a Lease
// only says that its holder lives. Events are stored: who does not count them leaves them out
// himself.
func (w Write) Stored() bool {
	switch w.Resource {
	case "leases",
		"localsubjectaccessreviews",
		"selfsubjectaccessreviews",
		"selfsubjectreviews",
		"selfsubjectrulesreviews",
		"subjectaccessreviews",
		"tokenreviews":
		return false
	}
	return true
}

// Writes are the writes of a user so far, those that failed included.
func (c *ControlPlane) Writes(user string) ([]Write, error) {
	c.written.Lock()
	defer c.written.Unlock()
	if c.written.trails[user] == nil {
		c.written.trails[user] = c.AuditTrail(user)
	}
	next, err := c.written.trails[user].Next()
	c.written.by[user] = append(c.written.by[user], next...)
	return slices.Clone(c.written.by[user]), err
}

// written is what Writes has read, by the user: suites ask again and again, and nothing is read
// twice.
type written struct {
	sync.Mutex
	trails map[string]*AuditTrail
	by     map[string][]Write
}

// AuditTrail follows the writes of a user from the first on.
func (c *ControlPlane) AuditTrail(user string) *AuditTrail {
	return &AuditTrail{log: c.auditLog(), user: user}
}

// WholeAuditTrail follows the writes of everybody from the first on.
func (c *ControlPlane) WholeAuditTrail() *AuditTrail {
	return &AuditTrail{log: c.auditLog()}
}

// AuditTrail reads the API server's audit log piece by piece.
type AuditTrail struct {
	log    string
	user   string // empty for everybody
	offset int64
}

// mark is what a record of the user holds.
func (t *AuditTrail) mark() []byte {
	if t.user == "" {
		return nil
	}
	return []byte(`"user":{"username":"` + t.user + `"`)
}

// recordStart is how every record of the audit log begins.
const recordStart = `{"kind":"Event","apiVersion":"audit.k8s.io/`

// records are the records of a line: one, but where an API server was killed in the middle of one,
// or before it had ended its line. A record that was cut short is left out.
func records(line []byte) [][]byte {
	var whole [][]byte
	for {
		next := bytes.Index(line[1:], []byte(recordStart)) + 1
		if next == 0 {
			return append(whole, line)
		}
		if json.Valid(line[:next]) {
			whole = append(whole, line[:next])
		}
		line = line[next:]
	}
}

// Next are the writes since the last call.
func (t *AuditTrail) Next() ([]Write, error) {
	file, err := os.Open(t.log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(t.offset, io.SeekStart); err != nil {
		return nil, err
	}
	var writes []Write
	lines := bufio.NewReaderSize(file, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF { // A line that is still being written is the next call's.
			return writes, nil
		}
		if err != nil {
			return writes, err
		}
		t.offset += int64(len(line))
		if !bytes.Contains(line, t.mark()) {
			continue // Most lines are of other users, and to decode one costs more than all else here.
		}
		for _, record := range records(line) {
			w, isWrite, err := writeOf(record)
			if err != nil {
				return writes, err
			}
			if isWrite && (t.user == "" || w.User == t.user) {
				writes = append(writes, w)
			}
		}
	}
}

// writeOf is the write of a record; false for a dry run, which asks, and writes nothing.
func writeOf(record []byte) (Write, bool, error) {
	var event struct {
		Verb      string
		URI       string `json:"requestURI"`
		User      struct{ Username string }
		ObjectRef struct{ Resource, Subresource, Namespace, Name string }
		Response  struct{ Code int32 } `json:"responseStatus"`
		Noted     map[string]string    `json:"annotations"`
		Received  time.Time            `json:"requestReceivedTimestamp"`
		At        time.Time            `json:"stageTimestamp"`
	}
	if err := json.Unmarshal(record, &event); err != nil {
		return Write{}, false, fmt.Errorf("reading the audit log: %w", err)
	}
	return Write{
		Verb: event.Verb, User: event.User.Username,
		Resource: event.ObjectRef.Resource, Subresource: event.ObjectRef.Subresource,
		Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
		ResponseStatus: event.Response.Code, Annotations: event.Noted, Received: event.Received, At: event.At,
	}, !strings.Contains(event.URI, "dryRun="), nil
}
