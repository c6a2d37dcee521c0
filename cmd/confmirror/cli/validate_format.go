package cli

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) validationText(v *validation) error {
	out := bufio.NewWriter(p.Stdout)
	for _, f := range v.files {
		if f.problem != nil {
			fmt.Fprintln(out, f.line())
		}
	}
	fmt.Fprintf(p.Stderr, "%s checked, %s\n", count(len(v.files), "entity", "entities"), count(v.failed(), "problem", "problems"))
	return out.Flush()
}

// quoted is a path as it can stand in a line and in XML: quoted like a string in Go if
// it holds anything that would break either, as names in a repository may.
func quoted(path string) string {
	if text := strconv.Quote(path); text != `"`+path+`"` {
		return text
	}
	return path
}

// inJSON is a path or slug as a JSON string can hold it, which escapes all but what is no text.
func inJSON(name string) string {
	if !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	return name
}

// foundProblem is a problem as --format json prints it.
type foundProblem struct {
	Path    string        `json:"path"`
	Line    int           `json:"line"`
	Column  int           `json:"column"`
	Kind    document.Kind `json:"kind"`
	Slug    string        `json:"slug"`
	Code    document.Code `json:"code"`
	Message string        `json:"message"`
}

func (p *Program) validationJSON(v *validation) error {
	problems := []foundProblem{}
	for _, f := range v.files {
		if f.problem != nil {
			path, line, column := f.where()
			problems = append(problems, foundProblem{inJSON(path), line, column, f.kind, inJSON(f.slug), f.problem.Code, f.problem.Message})
		}
	}
	return p.printJSON(map[string]any{"checked": len(v.files), "problems": problems})
}

// The report has no schema that all its readers share: what one of them asks for is there,
// where it says nothing as 0.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     float64      `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     float64     `xml:"time,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Time    float64       `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// validationJUnit writes what Bitbucket Pipelines, Jenkins and GitLab read.
func (p *Program) validationJUnit(v *validation) error {
	all := junitSuites{Name: "confmirror validate", Tests: len(v.files), Failures: v.failed()}
	for _, kind := range document.Kinds {
		suite := junitSuite{Name: string(kind)}
		for _, f := range v.files {
			if f.kind != kind {
				continue
			}
			c := junitCase{Name: quoted(f.path), Class: string(kind), File: quoted(f.path)}
			if f.problem != nil {
				suite.Failures++
				where, _, _ := f.where()
				c.File = quoted(where)
				c.Failure = &junitFailure{string(f.problem.Code), f.problem.Message, f.line()}
			}
			suite.Cases = append(suite.Cases, c)
		}
		if suite.Tests = len(suite.Cases); suite.Tests > 0 {
			all.Suites = append(all.Suites, suite)
		}
	}
	report, err := xml.MarshalIndent(all, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(p.Stdout, "%s%s\n", xml.Header, report)
	}
	return err
}
