package clone

import (
	"context"
	"fmt"
	"strings"
)

// stampFormat names what is kept aside.
const stampFormat = "20060102T150405.000Z"

// attributes stand in the clone's own .git, above every .gitattributes: what is
// in the working tree is what is in the objects, byte for byte.
const attributes = "* -text -ident -filter -working-tree-encoding\n"

// config is the clone's whole git configuration. It only serves people who work
// in the clone with their git: nothing here reads it, nor a user's or system's.
// Hooks, line ends, filters and the housekeeping of somebody's git stay off.
func (c *Clone) config() string {
	return fmt.Sprintf(`# Written by confmirror; changes are undone.
[core]
	repositoryformatversion = 0
	filemode = true
	bare = false
	logallrefupdates = true
	symlinks = true
	autocrlf = false
	safecrlf = false
	hooksPath = /dev/null
	attributesFile = /dev/null
	protectNTFS = false
	fsmonitor = false
	untrackedCache = false
	splitIndex = false
[index]
	version = 2
	skipHash = false
	sparse = false
[feature]
	manyFiles = false
[gc]
	auto = 0
[maintenance]
	auto = false
[remote "origin"]
	url = %s
	fetch = +refs/heads/*:refs/remotes/origin/*
[branch %s]
	remote = origin
	merge = %s
`, quoteConfig(c.o.URL), quoteConfig(c.o.Branch), quoteConfig(c.branchRef()))
}

func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// identity tells what the clone is of; another one means a fresh start.
func (c *Clone) identity() string { return c.o.URL + "\n" + c.o.Branch + "\n" }

// initialize writes what an empty clone consists of; it also repairs these files.
func (c *Clone) initialize(ctx context.Context) error {
	for _, dir := range []string{"objects/pack", "objects/info", "refs/heads", "refs/tags", "info", "confmirror/kept"} {
		if err := makeDir(c.git, dir); err != nil {
			return cloneFault("The clone cannot be written.", err)
		}
	}
	for _, f := range []struct{ name, text string }{
		{"config", c.config()},
		{"info/attributes", attributes},
		{"HEAD", "ref: " + c.branchRef() + "\n"},
		{"confmirror/identity", c.identity()},
	} {
		if b, err := c.git.ReadFile(f.name); err == nil && string(b) == f.text {
			continue
		}
		if err := c.replace(ctx, f.name, []byte(f.text)); err != nil && !isBusy(err) { // these only serve people's git
			return err
		}
	}
	return nil
}
