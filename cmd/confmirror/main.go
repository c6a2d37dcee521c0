// Command confmirror keeps an organization's configuration identical in a
// database and in one branch of a Bitbucket repository.
package main

import (
	"os"

	"github.com/confmirror/confmirror/cmd/confmirror/cli"
)

// version is set by the linker (-X main.version=...).
var version string

func main() { os.Exit(cli.Main(version)) }
