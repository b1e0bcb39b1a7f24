package controlplane

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
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
}

// Writes are the writes of a user so far, those that failed included.
func (c *ControlPlane) Writes(user string) ([]Write, error) {
	file, err := os.Open(c.auditLog())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var writes []Write
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb      string
			User      struct{ Username string }
			ObjectRef struct{ Resource, Subresource, Namespace, Name string }
			Response  struct{ Code int32 } `json:"responseStatus"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("reading the audit log: %w", err)
		}
		if event.User.Username == user {
			writes = append(writes, Write{
				Verb: event.Verb, User: event.User.Username,
				Resource: event.ObjectRef.Resource, Subresource: event.ObjectRef.Subresource,
				Namespace: event.ObjectRef.Namespace, Name: event.ObjectRef.Name,
				ResponseStatus: event.Response.Code,
			})
		}
	}
	return writes, lines.Err()
}
