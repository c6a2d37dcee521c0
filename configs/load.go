package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Load reads the configuration: defaults, then the file, then the environment
// ("NAME=value", as os.Environ gives it). With path "" the file is the one that
// CONFMIRROR_CONFIG names, or ./confmirror.yaml if there is one, or none. Every
// error is an [*Error].
func Load(path string, environ []string) (*Config, error) {
	l := &loader{config: defaults(), environ: environ, origins: map[string]origin{}}
	l.readFile(path)
	l.settlePairs(l.fromFile)
	l.readEnviron(environ)
	l.settlePairs(func(where string) bool { return strings.HasPrefix(where, envPrefix) })
	if len(l.problems) == 0 { // or a missing value would be reported as well as its misspelt key
		l.readSecrets()
		l.config.derive()
		l.checkSecrets()
		l.validate()
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: l.problems}
	}
	return l.config, nil
}

// loader is one Load under way.
type loader struct {
	config   *Config
	file     string // the configuration file's path as it was given
	environ  []string
	origins  map[string]origin // by key: who set it last
	problems []Problem
}

// origin is where a key was set.
type origin struct{ where, excerpt string }

func (l *loader) at(key, where, excerpt string) { l.origins[key] = origin{where, excerpt} }

func (l *loader) report(p Problem) { l.problems = append(l.problems, p) }

// invalid reports a value that was set, and is wrong.
func (l *loader) invalid(key, format string, args ...any) {
	o := l.origins[key]
	if o.where == "" { // left out: the entry that it is missing from
		o.where = l.origins[key[:max(strings.LastIndexByte(key, '.'), 0)]].where
	}
	l.report(Problem{Where: o.where, Key: key, Message: fmt.Sprintf(format, args...), Excerpt: o.excerpt})
}

// fromFile reports whether a key was set in the configuration file.
func (l *loader) fromFile(where string) bool {
	return l.file != "" && strings.HasPrefix(where, l.file+":")
}

func (l *loader) readFile(path string) {
	asked := "--config"
	if path == "" {
		path, _ = lookup(l.environ, envConfig)
		asked = envConfig
	}
	if path == "" {
		path, asked = DefaultPath, ""
	}
	content, err := readRegular(path)
	if errors.Is(err, fs.ErrNotExist) && asked == "" {
		return
	}
	if err != nil {
		l.report(Problem{Where: asked, Message: fmt.Sprintf("configuration file %q: %v", path, plainCause(err)), Err: err})
		return
	}
	absolute, err := filepath.Abs(path)
	if err != nil { // the working directory is gone
		absolute = path
	}
	l.file, l.config.Path = path, path
	l.config.files = append(l.config.files, absolute)
	l.readYAML(content)
}

// readRegular reads a file that may be a pipe, but is no directory.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("it is a directory")
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("it is larger than %v", Size(maxFile))
	}
	return os.ReadFile(path)
}
