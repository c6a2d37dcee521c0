package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror"
)

// maxSecret bounds a secret's file.
const maxSecret = 64 << 10

// readSecret reads a secret from a file, or from standard input for "-". A line
// break at its end is not part of it.
func (p *Program) readSecret(file string) (mirror.Secret, error) {
	in := p.Stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return mirror.Secret{}, err
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
	if err != nil {
		return mirror.Secret{}, err
	}
	text := strings.TrimRight(string(content), "\r\n")
	switch {
	case len(content) > maxSecret:
		return mirror.Secret{}, fmt.Errorf("expected at most %d bytes", maxSecret)
	case strings.TrimSpace(text) == "":
		return mirror.Secret{}, errors.New("it is empty; expected a secret in it")
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return mirror.Secret{}, errors.New("it holds a line break or another control character; expected one line of text")
	}
	return mirror.NewSecret(text), nil
}
