package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	nodes "go.yaml.in/yaml/v3"
	apijson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// decode is what a document says, as kubectl reads it, and the same in JSON; nil if it says
// nothing. Lines of a problem are counted from the document's first.
func decode(text []byte) (value any, converted []byte, isJSON bool, problem *ReadError) {
	if err := checkText(text); err != nil {
		return nil, nil, false, &ReadError{Message: err.Error()}
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed) {
		if problem := duplicateInJSON(text); problem != nil {
			return nil, nil, true, problem
		}
		value, err := fromJSON(text)
		return value, text, true, err
	}
	converted, err := yaml.YAMLToJSONStrict(text)
	if err != nil && onlyMerges(text, err) {
		converted, err = yaml.YAMLToJSON(text)
	}
	if err != nil {
		return nil, nil, false, yamlProblem(text, err)
	}
	value, problem = fromJSON(converted)
	return value, converted, false, problem
}

func fromJSON(text []byte) (any, *ReadError) {
	var value any
	if err := apijson.Unmarshal(text, &value); err != nil {
		return nil, &ReadError{Message: err.Error()}
	}
	return value, nil
}

// onlyMerges reports whether the keys that stand twice for the parser are those of a merged mapping
// (<<) and of what overrides them.
func onlyMerges(text []byte, err error) bool {
	var root nodes.Node
	return strings.Contains(err.Error(), "already set in map") && nodes.Unmarshal(text, &root) == nil &&
		duplicate(&root) == nil
}

var lineOf = regexp.MustCompile(`line (\d+): `)

// yamlProblem is what the parser says, with its line. Of a key that stands twice the second one is
// found again, for its column.
func yamlProblem(text []byte, err error) *ReadError {
	words := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: "), "yaml: ")
	words = strings.TrimSpace(strings.TrimPrefix(words, "unmarshal errors:"))
	var root nodes.Node
	if strings.Contains(words, "already set in map") && nodes.Unmarshal(text, &root) == nil {
		if key := duplicate(&root); key != nil {
			return &ReadError{
				Line:    key.Line,
				Column:  key.Column,
				Message: fmt.Sprintf("the key %q stands twice here", key.Value),
			}
		}
	}
	first, _, _ := strings.Cut(words, "\n")
	problem := &ReadError{Message: "this is no YAML: " + first}
	if found := lineOf.FindStringSubmatch(first); found != nil {
		problem.Line, _ = strconv.Atoi(found[1])
		problem.Message = "this is no YAML: " + strings.Replace(first, found[0], "", 1)
	}
	if strings.HasPrefix(text2line(text, problem.Line), "{") {
		return problem
	}
	if column := tabOf(text, problem.Line); column > 0 {
		problem.Column, problem.Message = column, "this is no YAML: a tab is no indentation; write spaces"
	}
	return problem
}

// text2line is a line of a text, counted from one.
func text2line(text []byte, number int) string {
	n := 1
	for line := range bytes.Lines(text) {
		if n == number {
			return string(line)
		}
		n++
	}
	return ""
}

// tabOf is the column of a tab in the indentation of a line, or of the next one, which parsers name
// at times; zero if there is none.
func tabOf(text []byte, number int) int {
	line := text2line(text, number)
	indentation := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return strings.IndexByte(indentation, '\t') + 1
}

// duplicate is a key that stands twice in a mapping.
func duplicate(n *nodes.Node) *nodes.Node {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == nodes.MappingNode && i%2 == 0 {
			if seen[child.Value] {
				return child
			}
			seen[child.Value] = true
		}
		if found := duplicate(child); found != nil {
			return found
		}
	}
	return nil
}

// level is an object or an array of a JSON text that is being read.
type level struct {
	keys  map[string]bool // nil of an array
	isKey bool            // whether a key comes next
}

// key takes a token, and reports whether it is a key, and whether it stands there for the second
// time.
func (l *level) key(token json.Token) (name string, twice bool) {
	name, isString := token.(string)
	if l.keys == nil || !l.isKey || !isString {
		l.isKey = l.keys != nil
		return "", false
	}
	twice, l.isKey = l.keys[name], false
	l.keys[name] = true
	return name, twice
}

// duplicateInJSON is the problem of a key that stands twice in an object.
func duplicateInJSON(text []byte) *ReadError {
	decoder := json.NewDecoder(bytes.NewReader(text))
	var levels []*level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &ReadError{Message: "this is no JSON: " + err.Error()}
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, &level{keys: map[string]bool{}, isKey: true})
			continue
		case json.Delim('['):
			levels = append(levels, &level{})
			continue
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
		if len(levels) == 0 {
			continue
		}
		if key, twice := levels[len(levels)-1].key(token); twice {
			line, column := lineAndColumn(text, int(decoder.InputOffset())-len(strconv.Quote(key)))
			return &ReadError{Line: line, Column: column, Message: fmt.Sprintf("the key %q stands twice here", key)}
		}
	}
}

func lineAndColumn(text []byte, offset int) (line, column int) {
	before := text[:max(0, min(offset, len(text)))]
	return 1 + bytes.Count(before, []byte("\n")), 1 + len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:])))
}
