package sqlstore

import "context"

const (
	registrationVersion      = `SELECT version FROM registration WHERE id = 1`
	raiseRegistrationVersion = `UPDATE registration SET version = version + 1 WHERE id = 1`
)

// RegistrationVersion implements storage.RegistrationReader.
func (r reader) RegistrationVersion(ctx context.Context) (version int64, err error) {
	err = r.one(ctx, registrationVersion, nil, &version)
	return version, err
}

// raiseRegistration is the last statement of a transaction that changed the
// registration. Its row lock makes such transactions commit one after another,
// so that whoever sees a version sees all that made it.
func (t *tx) raiseRegistration(ctx context.Context) error {
	if !t.registration {
		return nil
	}
	_, err := t.direct.tx.ExecContext(ctx, raiseRegistrationVersion)
	return err
}
