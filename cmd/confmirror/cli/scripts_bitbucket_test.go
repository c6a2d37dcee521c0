package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// standIn is a script's own Bitbucket.
type standIn struct {
	server *bitbuckettest.Server
	repo   *bitbuckettest.Repo
	mend   func() // ends the mood
}

// standIns are those of the scripts that run, by their directory: scripts run in parallel.
var standIns sync.Map

// runBitbucket is the script's stand-in:
//
//	bitbucket start                    makes acme-corp/webrix-sync, sets API_URL, OAUTH_URL,
//	                                   GIT_URL and CLIENT_ID, writes the file client-secret
//	bitbucket commit BRANCH MESSAGE PATH=FILE...   commits files ("PATH=" deletes)
//	bitbucket tree BRANCH              prints the paths
//	bitbucket show BRANCH PATH         prints a file
//	bitbucket log BRANCH               prints author and subject of each commit, oldest first
//	bitbucket hook URL SECRET          registers a webhook
//	bitbucket down | up                makes everything answer 503, or ends that
func runBitbucket(ts *testscript.TestScript, _ bool, args []string) {
	if args[0] == "start" {
		standIns.Store(ts.Getenv("WORK"), startStandIn(ts))
		return
	}
	started, ok := standIns.Load(ts.Getenv("WORK"))
	if !ok {
		ts.Fatalf("bitbucket start comes first")
	}
	b := started.(*standIn)
	switch args[0] {
	case "commit":
		var changes []bitbuckettest.Change
		for _, arg := range args[3:] {
			path, file, _ := strings.Cut(arg, "=")
			if file == "" {
				changes = append(changes, bitbuckettest.Remove(path))
			} else {
				changes = append(changes, bitbuckettest.Write(path, ts.ReadFile(file)))
			}
		}
		_, err := b.repo.Commit(args[1], mirror.Signature{Name: "You", Email: "you@example.com"}, args[2], changes...)
		ts.Check(err)
	case "tree":
		tree, err := b.repo.Tree(args[1])
		ts.Check(err)
		for _, f := range tree {
			fmt.Fprintln(ts.Stdout(), f.Path)
		}
	case "show":
		files, err := b.repo.Files(args[1])
		ts.Check(err)
		fmt.Fprint(ts.Stdout(), files[args[2]])
	case "log":
		log, err := b.repo.Log(args[1])
		ts.Check(err)
		for _, c := range slices.Backward(log) {
			fmt.Fprintf(ts.Stdout(), "%s: %s\n", c.Author.Name, c.Subject())
		}
	case "hook":
		b.repo.AddHook(args[1], mirror.NewSecret(args[2]))
	case "down":
		b.mend = b.server.Inject(bitbuckettest.Down(503))
	case "up":
		b.mend()
	default:
		ts.Fatalf("bitbucket %s?", args[0])
	}
}

func startStandIn(ts *testscript.TestScript) *standIn {
	server, err := bitbuckettest.New(bitbuckettest.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(server.Close()) })
	repo, err := server.CreateRepository("acme-corp", "webrix-sync")
	ts.Check(err)
	consumer := server.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	ts.Setenv("API_URL", server.APIURL())
	ts.Setenv("OAUTH_URL", server.OAuthURL())
	ts.Setenv("GIT_URL", server.GitURL())
	ts.Setenv("CLIENT_ID", consumer.Key)
	ts.Check(os.WriteFile(ts.MkAbs("client-secret"), []byte(consumer.Secret+"\n"), 0o600))
	return &standIn{server: server, repo: repo}
}
