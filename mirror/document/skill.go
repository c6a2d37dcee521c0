package document

import (
	"bytes"
	"fmt"
)

// SkillFile is the file that makes a directory a skill.
const SkillFile = "SKILL.md"

// ParseSkill validates a skill directory's files (sorted or not).
func ParseSkill(slug string, files []File, limits Limits) (*Document, *Problem) {
	d := (&Document{Kind: Skills, Slug: slug, Files: files}).Normalize()
	if p := d.Validate(limits); p != nil {
		return nil, p
	}
	return d, nil
}

// validateSkill checks a skill's files, in the order in which its people would
// mend them.
func validateSkill(slug string, files []File, limits Limits) *Problem {
	var main *File
	for i := range files {
		if files[i].Path == SkillFile {
			main = &files[i]
		}
	}
	if main == nil {
		return &Problem{Code: EmptyDirectory, Message: "the skill's directory has no SKILL.md"}
	}
	if len(files) > limits.MaxSkillFiles {
		return Invalid("the skill has %d files, more than %d", len(files), limits.MaxSkillFiles)
	}
	if p := validatePaths(files); p != nil {
		return p
	}
	if p := readableFiles(files, limits); p != nil {
		return p
	}
	return validateMain(slug, main.Content)
}

func readableFiles(files []File, limits Limits) *Problem {
	total := int64(0)
	for _, f := range files {
		if p := readable(f.Content, limits); p != nil {
			p.File, p.Message = f.Path, showKey(f.Path)+": "+p.Message
			return p
		}
		total += int64(len(f.Content))
	}
	if total > limits.MaxSkillSize {
		return &Problem{Code: FetchFailed, Message: fmt.Sprintf("the skill's files have more than %d bytes", limits.MaxSkillSize)}
	}
	return nil
}

// validateMain checks SKILL.md.
func validateMain(slug string, content []byte) *Problem {
	p := func() *Problem {
		if i := invalidUTF8(content); i >= 0 {
			return Invalid("the file is not UTF-8").at(content, i)
		}
		if i := bytes.IndexByte(content, 0); i >= 0 {
			return Invalid("the character U+0000 cannot be stored").at(content, i)
		}
		front, p := readFrontmatter(content)
		if p == nil {
			p = front.check(slug)
		}
		return p
	}()
	if p != nil {
		p.File, p.Message = SkillFile, SkillFile+": "+p.Message
	}
	return p
}
