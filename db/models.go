package db

// The models of the tables that other programs write to as well. A nil or zero
// column is NULL: nothing was said.

type organizationRow struct {
	ID        string `gorm:"primaryKey"`
	Slug      string
	Name      *string
	CreatedAt timestamp
	UpdatedAt timestamp
}

func (organizationRow) TableName() string { return "organizations" }

// entityColumns are what all five kinds have.
type entityColumns struct {
	ID             string `gorm:"primaryKey"`
	OrganizationID string
	Slug           string
	Name           *string
	Description    *string
	Extra          jsonColumn
	GitIntegration jsonColumn
	UpdatedBy      *string
	CreatedAt      timestamp
	UpdatedAt      timestamp
	DeletedAt      timestamp
	// changed are the columns that are to hold something else than what was read.
	changed set
}

// change notes that a column is to be written.
func (e *entityColumns) change(column string) {
	if e.changed == nil {
		e.changed = set{}
	}
	e.changed[column] = true
}

// ownedColumns are what all kinds but mcp-clients have.
type ownedColumns struct {
	OwnerID *string
	Status  *string
}

type toolkitRow struct {
	Entity         entityColumns `gorm:"embedded"`
	Owned          ownedColumns  `gorm:"embedded"`
	LeastPrivilege flag
	Integrations   jsonColumn
	Skills         jsonColumn
	Commands       jsonColumn
}

func (toolkitRow) TableName() string { return "toolkits" }

type commandRow struct {
	Entity    entityColumns `gorm:"embedded"`
	Owned     ownedColumns  `gorm:"embedded"`
	Prompt    *string
	Arguments jsonColumn
}

func (commandRow) TableName() string { return "commands" }

type serverRow struct {
	Entity  entityColumns `gorm:"embedded"`
	Owned   ownedColumns  `gorm:"embedded"`
	Type    *string
	Command *string
	Args    jsonColumn
	URL     *string `gorm:"column:url"`
	Env     jsonColumn
	Headers jsonColumn
	Tools   jsonColumn
	Auth    jsonColumn
}

func (serverRow) TableName() string { return "mcp_servers" }

type clientRow struct {
	Entity                  entityColumns `gorm:"embedded"`
	Enabled                 flag
	ClientURI               *string    `gorm:"column:client_uri"`
	LogoURI                 *string    `gorm:"column:logo_uri"`
	RedirectURIs            jsonColumn `gorm:"column:redirect_uris"`
	GrantTypes              jsonColumn
	ResponseTypes           jsonColumn
	TokenEndpointAuthMethod *string
	Scope                   *string
	ClientID                *string
	ClientSecret            *string
}

func (clientRow) TableName() string { return "mcp_clients" }

type skillRow struct {
	Entity entityColumns `gorm:"embedded"`
	Owned  ownedColumns  `gorm:"embedded"`
	// Files are read and written apart.
	Files []skillFileRow `gorm:"-"`
}

func (skillRow) TableName() string { return "skills" }

type skillFileRow struct {
	SkillID    string `gorm:"primaryKey"`
	Path       string `gorm:"primaryKey"`
	Content    []byte
	Executable flag
}

func (skillFileRow) TableName() string { return "skill_files" }
