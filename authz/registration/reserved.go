package registration

// What belongs to the admin API and is given to nobody by a registration: an
// administrator is made by `serve --bootstrap-admin`, by `admin recover`, or by
// another one.
const (
	AdminAPI    = "certbound-admin" // the id of its own record
	AdminScopes = "admin:"          // how the names of its scopes begin
)
