package document

// ParseSkill validates a skill directory's files (sorted or not).
func ParseSkill(slug string, files []File, limits Limits) (*Document, *Problem) {
	d := (&Document{Kind: Skills, Slug: slug, Files: files}).Normalize()
	if p := d.Validate(limits); p != nil {
		return nil, p
	}
	return d, nil
}
func validateSkill(slug string, files []File, limits Limits) *Problem { return nil }
