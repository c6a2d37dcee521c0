package daemon_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
	"github.com/confmirror/confmirror/mirror/document"
)

// A skill is a directory on the branch, a row with rows of files in the database. In a doc
// SKILL.md is taken apart; every other file is a key with "- " or "x " (executable) and its
// content.

var skillMain = regexp.MustCompile(`(?s)^---\nname: (\S+)\ndescription: (\S+)\n---\n(.*)$`)

// skillFiles are the files that a document stands for.
func (d doc) skillFiles() map[string]treeFile {
	files := map[string]treeFile{}
	for key, text := range d {
		switch key {
		case "slug", "description", "body":
		case document.SkillFile: // one that nobody can read
			files[key] = treeFile{text: text}
		default:
			files[key] = treeFile{text[2:], text[0] == 'x'}
		}
	}
	if d["description"] != "" {
		files[document.SkillFile] = treeFile{text: fmt.Sprintf("---\nname: %s\ndescription: %s\n---\n%s", d["slug"], d["description"], d["body"])}
	}
	return files
}

// addSkillFile takes a file into a skill's document.
func (d doc) addSkillFile(path string, f treeFile) {
	if m := skillMain.FindStringSubmatch(f.text); path == document.SkillFile && m != nil {
		d["slug"], d["description"] = m[1], m[2]
		if m[3] != "" {
			d["body"] = m[3]
		}
		return
	}
	switch {
	case path == document.SkillFile:
		d[path] = f.text
	case f.executable:
		d[path] = "x " + f.text
	default:
		d[path] = "- " + f.text
	}
}

// under is the document with the name that its row's slug makes it.
func (d doc) under(slug string) doc {
	if d["slug"] == "" {
		return d.with("slug", slug)
	}
	return d
}

// skillDocs reads the files of all skills in the database, by row.
func (h *history) skillDocs() map[string]doc {
	docs := map[string]doc{}
	for _, line := range h.read("SELECT s.id, f.path, f.content, f.executable FROM skills s LEFT JOIN skill_files f ON f.skill_id = s.id WHERE s.organization_id = '%s'", h.org.ID) {
		if docs[line[0]] == nil {
			docs[line[0]] = doc{}
		}
		if line[1] != "" {
			docs[line[0]].addSkillFile(line[1], treeFile{line[2], line[3] == "true" || line[3] == "1"})
		}
	}
	return docs
}

// skillDirectories reads the skills on the branch.
func (h *history) skillDirectories() map[string]*file {
	files := map[string]*file{}
	for path, f := range h.branch() {
		below, ok := strings.CutPrefix(path, "skills/")
		slug, rest, isBelow := strings.Cut(below, "/")
		if !ok || !isBelow {
			continue
		}
		if files[slug] == nil {
			files[slug] = &file{doc: doc{}}
		}
		files[slug].doc.addSkillFile(rest, f)
	}
	for slug, f := range files {
		f.text = f.doc.String()
		f.bad = f.doc["slug"] != slug || f.doc[document.SkillFile] != ""
	}
	return files
}

// putSkill writes what differs of a skill's directory.
func putSkill(path string, was, is doc) []bitbuckettest.Change {
	var changes []bitbuckettest.Change
	before, after := was.skillFiles(), is.skillFiles()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			changes = append(changes, bitbuckettest.Remove(path+"/"+name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if f := after[name]; before[name] != f || was["slug"] != is["slug"] {
			changes = append(changes, f.change(path+"/"+name))
		}
	}
	return changes
}

// writeSkill brings the rows of a skill's files to another document. A description may be
// edited in its column alone.
func (h *history) writeSkill(k *modelKind, id string, was, is doc) {
	column := k.lines && was["description"] != "" && was["description"] != is["description"] && is["description"] != "" &&
		h.oneIn(2, "in the column")
	if column {
		h.exec("UPDATE skills SET description = %s WHERE id = '%s'", quote(is["description"]), id)
		is = is.with("description", was["description"])
	}
	before, after := was.skillFiles(), is.skillFiles()
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, stays := after[name]; !stays {
			h.exec("DELETE FROM skill_files WHERE skill_id = '%s' AND path = %s", id, quote(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if f := after[name]; before[name] != f {
			h.exec("INSERT INTO skill_files (skill_id, path, content, executable) VALUES ('%s', %s, %s, %v) ON CONFLICT (skill_id, path) DO UPDATE SET content = excluded.content, executable = excluded.executable",
				id, quote(name), h.blob(f.text), f.executable)
		}
	}
}

// editSkill changes one place of a skill.
func (h *history) editSkill(k *modelKind, d doc, side string) doc {
	place := pick(h, "place", []string{"description", "body", "body", "notes.md", "run.sh", "logo.bin", "sub/more.md"})
	if d["description"] == "" { // it has no SKILL.md that can be read
		d, place = d.with(document.SkillFile, ""), "description"
	}
	text := strings.TrimPrefix(d[place], "- ")
	switch {
	case place == "description":
		return d.with(place, h.mark(side))
	case place != "body" && text != "" && h.oneIn(4, "remove"):
		return d.with(place, "")
	case place == "logo.bin":
		return d.with(place, "- \x00\xff"+h.mark(side))
	case place == "run.sh" && (!k.lines || h.oneIn(2, "executable")):
		return d.with(place, "x "+h.mark(side)+"\n")
	case k.lines:
		text = h.editLine(text, side)
	default:
		text = h.mark(side) + "\n"
	}
	if place != "body" {
		text = "- " + text
	}
	return d.with(place, text)
}

// editLine changes, adds or removes one line of a text.
func (h *history) editLine(text, side string) string {
	lines := strings.SplitAfter(text, "\n")
	at := h.between("line", 0, len(lines)-1)
	line := h.mark(side) + "\n"
	switch h.between("how", 0, 3) {
	case 0:
		lines = slices.Insert(lines, at, line)
	case 1:
		if len(lines) > 2 {
			lines = slices.Delete(lines, at, at+1)
			break
		}
		fallthrough
	default:
		lines[at] = line
	}
	return strings.Join(lines, "")
}
