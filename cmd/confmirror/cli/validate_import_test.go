package cli

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// git runs git in the checkout, without anybody's settings.
func (c *checkout) git(args ...string) {
	c.t.Helper()
	command := exec.Command("git", append([]string{"-c", "user.name=You", "-c", "user.email=you@example.com"}, args...)...)
	command.Dir = c.dir
	command.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := command.CombinedOutput(); err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// imported runs a mirror of a repository and gives what it said of each rejected entity.
func imported(t *testing.T, standIn *bitbuckettest.Server) map[string]string {
	t.Helper()
	consumer := standIn.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	data := t.TempDir()
	var errs bytes.Buffer
	p := &Program{Stdout: &bytes.Buffer{}, Stderr: &errs, Environ: []string{"CONFMIRROR_DATA_DIR=" + data}}
	for name, value := range map[string]string{
		"ORGANIZATION": "acme", "WORKSPACE": "acme-corp", "REPOSITORY": "webrix-sync", "CLIENT_ID": consumer.Key, "CLIENT_SECRET": consumer.Secret,
		"API_URL": standIn.APIURL(), "OAUTH_URL": standIn.OAuthURL(), "GIT_URL": standIn.GitURL(),
	} {
		p.Environ = append(p.Environ, "CONFMIRROR_MIRRORS_0_"+name+"="+value)
	}
	if status := p.Run(t.Context(), []string{"sync"}); status != exitProblems {
		t.Fatalf("sync: exit status %d\n%s", status, &errs)
	}
	database, err := sql.Open("sqlite3", "file:"+filepath.Join(data, db.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	rows, err := database.Query("SELECT path, error FROM rejected_files")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	rejected := map[string]string{}
	for rows.Next() {
		var path, text string
		var problem struct{ Code, Message string }
		if err := rows.Scan(&path, &text); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &problem); err != nil {
			t.Fatal(err)
		}
		rejected[strings.TrimPrefix(path, "\ufffd")] = verdict(problem.Code, problem.Message)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return rejected
}

// verdict is what has to be the same; a file that cannot be read has other causes in git.
func verdict(code, message string) string {
	if code == "FETCH_FAILED" {
		return code
	}
	return code + " " + message
}

// What validate says of a checked-out repository is what an import says of the repository:
// the same entities, codes, positions and words.
func TestValidateSaysWhatAnImportSays(t *testing.T) {
	standIn, err := bitbuckettest.New(bitbuckettest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer standIn.Close()
	repo, err := standIn.CreateRepository("acme-corp", "webrix-sync")
	if err != nil {
		t.Fatal(err)
	}
	c := newCheckout(t)
	c.write("toolkits/fine.json", `{"slug":"fine","name":"F","integrations":{"gh":{"tools":["a"]}}}`)
	c.write("toolkits/dangling.json", "{\n  \"slug\": \"dangling\", \"name\": \"D\",\n  \"integrations\": {\"gh\": {},\n    \"gone\": {}}\n}")
	c.write("toolkits/lacking.json", "{\"slug\":\"lacking\",\"name\":\"L\",\n\"integrations\":{\"gh\":{\"tools\":[\"a\",\n\"z\"]}}}")
	c.write("toolkits/comma.json", "{\"slug\":\"comma\",}")
	c.write("toolkits/twice.json", "{\"slug\":\"twice\",\n\"slug\":\"twice\"}")
	c.write("toolkits/latin.json", "{\"slug\":\"latin\",\"name\":\"\xe9\"}")
	c.write("toolkits/array.json", "[]")
	c.write("toolkits/auth.json", `{"slug":"auth","name":"A","auth":{"token":"x"}}`)
	c.write("toolkits/Upper.json", `{"slug":"Upper","name":"U"}`)
	c.write("toolkits/caf\xe9.json", `{}`)
	c.write("toolkits/other.json", `{"slug":"another","name":"O"}`)
	c.write("toolkits/big.json", `{"slug":"big","name":"`+strings.Repeat("x", 2<<20)+`"}`)
	c.write("toolkits/lfs.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
	c.write("toolkits/dir.json/x", "theirs")
	c.must(os.Symlink("fine.json", c.path("toolkits/link.json")))
	c.write("mcp-servers/gh.json", `{"slug":"gh","name":"G","type":"http","url":"https://gh.example","tools":{"a":{}}}`)
	c.write("mcp-servers/broken.json", `{"slug":"broken","name":"B","type":"stdio","url":"https://b.example"}`)
	c.write("mcp-servers/secret.json", `{"slug":"secret","name":"S","type":"stdio","command":"c","env":{"K":{"secret":true,"value":"hunter2"}}}`)
	c.write("mcp-clients/app.json", `{"slug":"app","name":"A","redirect_uris":["http://example.com/"]}`)
	c.write("commands/twice.json", `{"slug":"twice","name":"T","prompt":"P","arguments":[{"name":"a"},{"name":"a"}]}`)
	c.write("skills/fine/SKILL.md", "---\nname: fine\ndescription: F.\n---\n")
	c.write("skills/bare/notes.md", "x")
	c.write("skills/long/SKILL.md", "---\nname: long\ndescription: "+strings.Repeat("x", 1025)+"\n---\n")
	c.write("skills/yaml/SKILL.md", "---\nname: yaml\ndescription: [\n---\n")
	c.write("skills/name/SKILL.md", "---\ndescription: d\nname: other\n---\n")
	c.write("skills/Bad_Name/SKILL.md", "---\nname: Bad_Name\ndescription: d\n---\n")
	c.write("skills/inner/SKILL.md", "---\nname: inner\ndescription: d\n---\n")
	c.must(os.Symlink("/etc/hostname", c.path("skills/inner/link")))
	c.write("skills/back/SKILL.md", "---\nname: back\ndescription: d\n---\n")
	c.write(`skills/back/a\b`, "x")
	c.must(os.Symlink("fine", c.path("skills/linked")))
	c.write("skills/notes.txt", "theirs")
	c.write(".gitmodules", "[submodule \"s\"]\n\tpath = skills/sub\n\turl = https://example.com/s\n")

	c.git("init", "-q", "-b", "main")
	c.git("add", "-A")
	c.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",skills/sub")
	c.git("commit", "-q", "-m", "Start")
	if _, err := repo.Git("fetch", "-q", c.dir, "main:refs/heads/main"); err != nil {
		t.Fatal(err)
	}

	clone := &checkout{t, t.TempDir()}
	clone.git("clone", "-q", repo.Dir(), ".")
	var found foundProblems
	clone.must(json.Unmarshal([]byte(clone.validate(exitProblems, "--format=json")), &found))
	validated := map[string]string{}
	for _, p := range found.Problems {
		path := p.Path
		if p.Kind == "skills" {
			path = "skills/" + p.Slug
		}
		validated[path] = verdict(string(p.Code), p.Message)
	}
	if diff := cmp.Diff(imported(t, standIn), validated); diff != "" || len(validated) != 26 {
		t.Errorf("%d problems; - is the import's, + is validate's:\n%s", len(validated), diff)
	}
}
