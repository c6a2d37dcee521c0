package document

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	yamlparser "github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a frontmatter: the YAML parser's time grows with the square of
// tokens and depth.
const (
	maxFrontmatter = 64 << 10
	maxYAMLTokens  = 10_000
	maxYAMLDepth   = 100
)

// frontmatter is the head of a SKILL.md: YAML between two lines of three dashes.
type frontmatter struct {
	content    []byte
	start, end int // of the YAML in content, its last line end included
	values     map[string]scalar
}

// scalar is a top-level value of a frontmatter.
type scalar struct {
	text   string
	isText bool // it is a string
	at     int  // its offset in content
	key    int  // its key's offset
	flow   bool // it stands within braces
}

// Frontmatter returns name and description of a skill's SKILL.md ("" where
// absent or unreadable).
func (d *Document) Frontmatter() (name, description string) {
	if i := d.mainFile(); i >= 0 {
		if front, p := readFrontmatter(d.Files[i].Content); p == nil {
			return front.values["name"].text, front.values["description"].text
		}
	}
	return "", ""
}

// mainFile is the index of SKILL.md in Files, -1 without one.
func (d *Document) mainFile() int {
	for i := range d.Files {
		if d.Files[i].Path == SkillFile {
			return i
		}
	}
	return -1
}

// check judges the keys that are required.
func (f *frontmatter) check(slug string) *Problem {
	for _, k := range frontmatterKeys.keys {
		value, present := f.values[k.name]
		switch {
		case !k.required:
		case !present:
			return Invalid("the frontmatter's %s is required", k.name).at(f.content, 0)
		case !value.isText:
			return Invalid("the frontmatter's %s must be a string", k.name).at(f.content, value.key)
		default:
			if bad := k.schema.checkText(value.text); bad != nil {
				return Invalid("the frontmatter's %s %s", k.name, bad.rule).at(f.content, value.key)
			}
		}
	}
	if value := f.values["name"]; value.text != slug {
		return Invalid("the frontmatter's name must equal the directory's name").at(f.content, value.key)
	}
	return nil
}

// readFrontmatter finds and reads the frontmatter of a SKILL.md.
func readFrontmatter(content []byte) (*frontmatter, *Problem) {
	f := &frontmatter{content: content}
	if !f.find() {
		return nil, Invalid("the file must begin with frontmatter between two lines of ---").at(content, 0)
	}
	if f.end-f.start > maxFrontmatter {
		return nil, Invalid("the frontmatter is larger than %d bytes", maxFrontmatter).at(content, f.start)
	}
	return f, f.read()
}

// find sets start and end: the lines between the first line, which must be ---,
// and the next like it.
func (f *frontmatter) find() bool {
	rest := bytes.TrimPrefix(f.content, utf8BOM)
	first, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok || !isFence(first) {
		return false
	}
	f.start = len(f.content) - len(rest)
	for f.end = f.start; f.end < len(f.content); {
		line, after, more := bytes.Cut(f.content[f.end:], []byte("\n"))
		if isFence(line) {
			return true
		}
		if !more {
			break
		}
		f.end = len(f.content) - len(after)
	}
	return false
}

func isFence(line []byte) bool {
	return bytes.Equal(bytes.TrimRight(line, " \t\r"), []byte("---"))
}

// read parses the YAML and collects its top-level scalars.
func (f *frontmatter) read() (p *Problem) {
	// YAML reads both line ends alike, but the parser miscounts lines with CRLF.
	src := strings.ReplaceAll(string(f.content[f.start:f.end]), "\r\n", "\n")
	bad := func(line, column int, rule string) *Problem {
		return Invalid("%s", rule).at(f.content, f.offset(line, column))
	}
	defer func() {
		if recover() != nil { // the parser's own bug is the file's problem, not the run's
			p = bad(1, 1, "the frontmatter is no YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(src)
	if tk := tooMuchYAML(tokens); tk != nil {
		return bad(tk.Position.Line, tk.Position.Column, "the frontmatter is nested too deep, or has too many parts")
	}
	file, err := yamlparser.Parse(tokens, 0)
	if err != nil {
		line, column, rule := yamlError(err)
		return bad(line, column, rule)
	}
	var root ast.Node
	if len(file.Docs) == 1 {
		root = file.Docs[0].Body
	}
	mapping, ok := root.(*ast.MappingNode)
	if !ok {
		return bad(1, 1, "the frontmatter must be one YAML mapping")
	}
	f.values = make(map[string]scalar, len(mapping.Values))
	for _, member := range mapping.Values {
		key, ok := member.Key.(*ast.StringNode)
		if !ok {
			continue
		}
		f.values[key.Value] = f.scalar(file, member, mapping.IsFlowStyle)
	}
	return nil
}

func (f *frontmatter) scalar(file *ast.File, member *ast.MappingValueNode, flow bool) scalar {
	key, at := member.Key.GetToken().Position, member.Value.GetToken().Position
	s := scalar{key: f.offset(key.Line, key.Column), at: f.offset(at.Line, at.Column), flow: flow}
	s.text, s.isText = textOf(file, member.Value)
	return s
}

// textOf is the string that a node stands for.
func textOf(file *ast.File, n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.AnchorNode:
		return textOf(file, n.Value)
	case *ast.TagNode:
		if n.Start.Value == "!!str" {
			return n.Value.GetToken().Value, true
		}
	case *ast.AliasNode:
		for _, anchor := range ast.Filter(ast.AnchorType, file.Docs[0].Body) {
			anchor := anchor.(*ast.AnchorNode)
			if _, again := anchor.Value.(*ast.AliasNode); !again && anchor.Name.String() == n.Value.String() {
				return textOf(file, anchor.Value)
			}
		}
	}
	return "", false
}

// offset is the place in content of a line and column (in characters) of the YAML.
func (f *frontmatter) offset(line, column int) int {
	at := f.start
	for ; line > 1; line-- {
		i := bytes.IndexByte(f.content[at:f.end], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	for ; column > 1 && at < f.end && f.content[at] != '\n'; column-- {
		_, size := utf8.DecodeRune(f.content[at:f.end])
		at += size
	}
	return at
}

// yamlError takes position and rule from the parser's error, whose words are
// passed on only if they repeat no content.
func yamlError(err error) (line, column int, rule string) {
	line, column, rule = 1, 1, "the frontmatter is not valid YAML"
	var detailed yaml.Error
	if !errors.As(err, &detailed) {
		return line, column, rule
	}
	if tk := detailed.GetToken(); tk != nil && tk.Position != nil {
		line, column = tk.Position.Line, tk.Position.Column
	}
	switch message := detailed.GetMessage(); {
	case strings.HasPrefix(message, "mapping key"):
		rule = "a key of the frontmatter is there twice"
	case !strings.Contains(message, `"`): // the parser quotes what it repeats
		rule += ": " + message
	}
	return line, column, rule
}

// tooMuchYAML finds the token that passes the bounds, nil if none does.
func tooMuchYAML(tokens token.Tokens) *token.Token {
	depth, entries, line := 0, 0, 0
	for i, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType:
			if tk.Position.Line != line {
				line, entries = tk.Position.Line, 0
			}
			entries++
		}
		if i > maxYAMLTokens || depth > maxYAMLDepth || entries > maxYAMLDepth || tk.Position.IndentNum > 4*maxYAMLDepth {
			return tk
		}
	}
	return nil
}
