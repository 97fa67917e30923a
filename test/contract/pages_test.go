package contract

import (
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"
	"github.com/cloudflare/cloudflare-go/v7/rulesets"
	"github.com/cloudflare/cloudflare-go/v7/shared"
	"github.com/cloudflare/cloudflare-go/v7/user"
	"github.com/cloudflare/cloudflare-go/v7/zones"
)

// The SDK's lists, by short names.
type (
	listOfZones = pagination.V4PagePaginationArray[zones.Zone]
	rulesetList = pagination.CursorPagination[rulesets.RulesetListResponse]
	groupPage   = pagination.SinglePage[user.TokenPermissionGroupListResponse]
	tokenPage   = pagination.V4PagePaginationArray[shared.Token]
	auditPage   = pagination.V4PagePaginationArray[shared.AuditLog]
)
