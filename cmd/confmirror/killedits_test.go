package main_test

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// subject is an entity (or many) whose two sides are edited in a way that leaves no
// doubt of what must come of it.
type subject struct {
	family string
	stem   string // begins its names, and those of nothing else
	// database and branch edit one side; nil where that side is not edited. branch is
	// given the files and says what to change; done is called if that was pushed.
	database func(mark string)
	branch   func(files map[string]string, mark string) (changes map[string]string, done func())
	judge    func(files map[string]string)
}

// families make subjects.
var families = map[string]func(k *killWorld, s *subject){
	"kit": (*killWorld).kit, "flip": (*killWorld).flip, "move": (*killWorld).move, "walk": (*killWorld).walk,
	"come": (*killWorld).come, "send": (*killWorld).send, "skill": (*killWorld).skill, "safe": (*killWorld).safe,
}

// populate makes the subjects that rounds edit.
func (k *killWorld) populate() {
	for _, family := range []string{"kit", "kit", "kit", "flip", "flip", "move", "move", "walk", "walk", "come", "come", "send", "send", "skill", "skill", "safe", "safe"} {
		k.subjects = append(k.subjects, k.make(family))
	}
}

func (k *killWorld) make(family string) *subject {
	k.made++
	s := &subject{family: family, stem: fmt.Sprintf("%s-%d-", family, k.made)}
	families[family](k, s)
	return s
}

// insert adds a toolkit and returns its id.
func (k *killWorld) insert(slug, description string) string {
	id := uuid.NewString()
	k.exec("INSERT INTO toolkits (id, organization_id, slug, name, description) VALUES ('%s', '%s', '%s', 'Kit', '%s')", id, k.org, slug, description)
	return id
}

// document reads a file's keys, nil without one.
func document(text string) map[string]any {
	var doc map[string]any
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil
	}
	return doc
}

// edited is a file with other values of some keys, as a person's editor leaves it.
func edited(text string, keys map[string]any) string {
	doc := document(text)
	for key, value := range keys {
		doc[key] = value
	}
	b, _ := json.MarshalIndent(doc, "", "    ") // what was JSON stays it
	return string(b) + "\n"
}

// fileOf is the one file of a kind whose name begins with the stem.
func (k *killWorld) fileOf(files map[string]string, kind, stem string) (path, text string) {
	k.t.Helper()
	for p, content := range files {
		if strings.HasPrefix(p, kind+"/"+stem) {
			if path != "" {
				k.t.Errorf("two files of one entity: %s, %s", path, p)
			}
			path, text = p, content
		}
	}
	return path, text
}

// same makes sure that a value is on both sides.
func (k *killWorld) same(s *subject, what, want, inFile, inRow string) {
	k.t.Helper()
	if inFile != want || inRow != want {
		k.t.Errorf("%s: the last %s was %q; file has %q, row %q", s.stem, what, want, inFile, inRow)
	}
}

// describe edits a row's description in the database.
func (k *killWorld) describe(table, id string, last *string) func(mark string) {
	return func(mark string) {
		k.exec("UPDATE %s SET description = '%s' WHERE id = '%s'", table, mark, id)
		*last = mark
	}
}

// note edits the key x-git of the subject's file.
func (k *killWorld) note(s *subject, kind string, last *string) func(files map[string]string, mark string) (map[string]string, func()) {
	return func(files map[string]string, mark string) (map[string]string, func()) {
		path, text := k.fileOf(files, kind, s.stem)
		if path == "" {
			return nil, nil
		}
		return map[string]string{path: edited(text, map[string]any{"x-git": mark})}, func() { *last = mark }
	}
}

// judgeRow compares a live row and its file.
func (k *killWorld) judgeRow(s *subject, files map[string]string, kind, table, id, slug, description, note string) {
	k.t.Helper()
	path, text := k.fileOf(files, kind, s.stem)
	if path != kind+"/"+slug+".json" {
		k.t.Errorf("%s: the file is at %q, want slug %s", s.stem, path, slug)
		return
	}
	doc := document(text)
	inFile, _ := doc["description"].(string)
	k.same(s, "description", description, inFile, k.query("SELECT description FROM %s WHERE id = '%s' AND slug = '%s' AND deleted_at IS NULL", table, id, slug))
	inFile, _ = doc["x-git"].(string)
	inRow, _ := document(k.query("SELECT extra FROM %s WHERE id = '%s'", table, id))["x-git"].(string)
	k.same(s, "note", note, inFile, inRow)
}

// kit is edited in different places on the two sides.
func (k *killWorld) kit(s *subject) {
	var description, note string
	slug := s.stem + "x"
	id := k.insert(slug, "")
	s.database, s.branch = k.describe("toolkits", id, &description), k.note(s, "toolkits", &note)
	s.judge = func(files map[string]string) {
		k.judgeRow(s, files, "toolkits", "toolkits", id, slug, description, note)
	}
}

// flip is private now and public then.
func (k *killWorld) flip(s *subject) {
	slug, private := s.stem+"x", false
	id := k.insert(slug, "flips")
	s.database = func(string) {
		owner := "NULL"
		if private = !private; private {
			owner = "'" + k.org + "'"
		}
		k.exec("UPDATE toolkits SET owner_id = %s WHERE id = '%s'", owner, id)
	}
	s.judge = func(files map[string]string) {
		if private {
			k.absent(s, files, "toolkits")
			return
		}
		k.judgeRow(s, files, "toolkits", "toolkits", id, slug, "flips", "")
	}
}

func (k *killWorld) absent(s *subject, files map[string]string, kind string) {
	k.t.Helper()
	if path, text := k.fileOf(files, kind, s.stem); path != "" {
		k.t.Errorf("%s is on the branch: %s", path, text)
	}
}

// move is renamed in the database and edited on the branch.
func (k *killWorld) move(s *subject) {
	var note string
	slug := s.stem + "x"
	id := k.insert(slug, "moves")
	s.database = func(mark string) {
		slug = s.stem + mark + "x"
		k.exec("UPDATE toolkits SET slug = '%s' WHERE id = '%s'", slug, id)
	}
	s.branch = k.note(s, "toolkits", &note)
	s.judge = func(files map[string]string) {
		k.judgeRow(s, files, "toolkits", "toolkits", id, slug, "moves", note)
	}
}

// walk is renamed on the branch and edited in the database.
func (k *killWorld) walk(s *subject) {
	var description string
	slug := s.stem + "x"
	id := k.insert(slug, "")
	s.database = k.describe("toolkits", id, &description)
	s.branch = func(files map[string]string, mark string) (map[string]string, func()) {
		path, text := k.fileOf(files, "toolkits", s.stem)
		if path == "" {
			return nil, nil
		}
		next := s.stem + mark + "x"
		return map[string]string{path: "", "toolkits/" + next + ".json": edited(text, map[string]any{"slug": next})}, func() { slug = next }
	}
	s.judge = func(files map[string]string) {
		k.judgeRow(s, files, "toolkits", "toolkits", id, slug, description, "")
	}
}

// come comes and goes in the database, as another row each time.
func (k *killWorld) come(s *subject) {
	slug, id, description := s.stem+"x", "", ""
	s.database = func(mark string) {
		switch {
		case id == "":
			id, description = k.insert(slug, mark), mark
			return
		case k.rand.IntN(2) == 0:
			k.exec("DELETE FROM toolkits WHERE id = '%s'", id)
		default:
			k.exec("UPDATE toolkits SET deleted_at = CURRENT_TIMESTAMP WHERE id = '%s'", id)
		}
		id = ""
	}
	s.judge = func(files map[string]string) {
		if id == "" {
			k.absent(s, files, "toolkits")
			return
		}
		k.judgeRow(s, files, "toolkits", "toolkits", id, slug, description, "")
	}
}

// send comes and goes on the branch.
func (k *killWorld) send(s *subject) {
	slug, prompt := s.stem+"x", ""
	path := "commands/" + slug + ".json"
	s.branch = func(files map[string]string, mark string) (map[string]string, func()) {
		if files[path] != "" {
			return map[string]string{path: ""}, func() { prompt = "" }
		}
		return map[string]string{path: fmt.Sprintf(`{"slug": %q, "name": "Sent", "prompt": %q}`, slug, mark)}, func() { prompt = mark }
	}
	s.judge = func(files map[string]string) {
		inFile, _ := document(files[path])["prompt"].(string)
		k.same(s, "prompt", prompt, inFile, k.query("SELECT prompt FROM commands WHERE slug = '%s' AND deleted_at IS NULL", slug))
	}
}

// skill has files of both sides, and some that come and go.
func (k *killWorld) skill(s *subject) {
	slug, id := s.stem+"x", uuid.NewString()
	dir := "skills/" + slug + "/"
	want := map[string]string{"SKILL.md": fmt.Sprintf("---\nname: %s\ndescription: Skill\n---\nText.\n", slug), "notes.txt": "notes\n"}
	tx, err := k.sql.BeginTx(k.t.Context(), nil)
	k.must(err)
	_, err = tx.Exec(fmt.Sprintf("INSERT INTO skills (id, organization_id, slug, name, description) VALUES ('%s', '%s', '%s', '%s', 'Skill')", id, k.org, slug, slug))
	k.must(err)
	for path, text := range want {
		_, err = tx.Exec(fmt.Sprintf("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', '%s', %s)", id, path, k.blob(text)))
		k.must(err)
	}
	k.must(tx.Commit())
	s.database = func(mark string) {
		if extra := "extra/" + string(rune('a'+k.rand.IntN(3))); k.rand.IntN(2) == 0 {
			if want[extra] != "" {
				delete(want, extra)
				k.exec("DELETE FROM skill_files WHERE skill_id = '%s' AND path = '%s'", id, extra)
				return
			}
			want[extra] = mark
			k.exec("INSERT INTO skill_files (skill_id, path, content) VALUES ('%s', '%s', %s)", id, extra, k.blob(mark))
			return
		}
		want["notes.txt"] = mark
		k.exec("UPDATE skill_files SET content = %s WHERE skill_id = '%s' AND path = 'notes.txt'", k.blob(mark), id)
	}
	s.branch = func(files map[string]string, mark string) (map[string]string, func()) {
		if files[dir+"SKILL.md"] == "" {
			return nil, nil
		}
		return map[string]string{dir + "git.txt": mark}, func() { want["git.txt"] = mark }
	}
	s.judge = func(files map[string]string) {
		for path, text := range want {
			k.same(s, path, text, files[dir+path], k.content(id, path))
		}
		inFiles := 0
		for path := range files {
			if strings.HasPrefix(path, dir) {
				inFiles++
			}
		}
		if inRows := k.query("SELECT count(*) FROM skill_files WHERE skill_id = '%s'", id); inFiles != len(want) || inRows != fmt.Sprint(len(want)) {
			k.t.Errorf("%s: %d files on the branch and %s in the database, want %d", s.stem, inFiles, inRows, len(want))
		}
	}
}

// content is a skill's file in the database.
func (k *killWorld) content(id, path string) string {
	k.t.Helper()
	var content []byte
	_ = k.sql.QueryRowContext(k.t.Context(), fmt.Sprintf("SELECT content FROM skill_files WHERE skill_id = '%s' AND path = '%s'", id, path)).Scan(&content)
	return string(content)
}

// safe is a server with a secret, which changes; no file may ever hold it.
func (k *killWorld) safe(s *subject) {
	var description, note, secret string
	slug, id := s.stem+"x", uuid.NewString()
	env := func(value string) string {
		return fmt.Sprintf(`{"TOKEN": {"value": "%s", "secret": true}, "MODE": {"value": "fast", "secret": false}}`, value)
	}
	keep := func(mark string) string {
		secret = secretMark + mark
		return secret
	}
	k.exec("INSERT INTO mcp_servers (id, organization_id, slug, name, type, command, env) VALUES ('%s', '%s', '%s', 'Safe', 'stdio', 'run', '%s')", id, k.org, slug, env(keep(k.mark())))
	describe := k.describe("mcp_servers", id, &description)
	s.database = func(mark string) {
		if k.rand.IntN(2) == 0 {
			describe(mark)
			return
		}
		k.exec("UPDATE mcp_servers SET env = '%s' WHERE id = '%s'", env(keep(mark)), id)
	}
	s.branch = k.note(s, "mcp-servers", &note)
	s.judge = func(files map[string]string) {
		k.judgeRow(s, files, "mcp-servers", "mcp_servers", id, slug, description, note)
		entry, _ := document(k.query("SELECT env FROM mcp_servers WHERE id = '%s'", id))["TOKEN"].(map[string]any)
		if entry["value"] != secret {
			k.t.Errorf("%s: the row's secret is %q, want %q", s.stem, entry["value"], secret)
		}
	}
}

// seeds are the rows that were there before the first connection.
func (k *killWorld) seeds(n int) *subject {
	s := &subject{family: "seed", stem: "seed-row-"}
	s.judge = func(files map[string]string) {
		found := 0
		for path := range files {
			if strings.HasPrefix(path, "toolkits/"+s.stem) {
				found++
			}
		}
		live := k.query("SELECT count(*) FROM toolkits WHERE slug LIKE 'seed-row-%%' AND deleted_at IS NULL")
		if found != n || live != fmt.Sprint(n) {
			k.t.Errorf("%d files and %s rows of those that were there at the start, want %d", found, live, n)
		}
		k.once("toolkits/" + s.stem)
	}
	return s
}

// foreign are commands that a person adds to the branch in one commit.
func (k *killWorld) foreign(n int) (*subject, []bitbuckettest.Change) {
	k.made++
	s := &subject{family: "foreign", stem: fmt.Sprintf("foreign-%d-", k.made)}
	changes := make([]bitbuckettest.Change, n)
	for i := range changes {
		slug := fmt.Sprintf("%s%d", s.stem, i)
		changes[i] = bitbuckettest.Write("commands/"+slug+".json", fmt.Sprintf(`{"slug": %q, "name": "Foreign", "prompt": "p%d"}`, slug, i))
	}
	s.judge = func(files map[string]string) {
		rows := k.query("SELECT count(*) FROM commands WHERE slug LIKE '%s%%' AND deleted_at IS NULL", s.stem)
		all := k.query("SELECT count(*) FROM commands WHERE slug LIKE '%s%%'", s.stem)
		if rows != fmt.Sprint(n) || all != rows {
			k.t.Errorf("%s: %s live rows of %s, want %d", s.stem, rows, all, n)
		}
		k.once("commands/" + s.stem)
	}
	return s, changes
}
