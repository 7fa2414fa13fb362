package dn

import "strings"

// attributeType is an attribute type with the name String writes first, then
// the other spellings Parse reads. Names are case-insensitive (RFC 4512 §2.5).
type attributeType struct {
	oid   string
	names []string
}

// attributeTypes holds the types whose values are strings. "SN" is the surname
// (RFC 4519 §2.32), not the serial number, which has no short name. Types whose
// values are not strings are left out: they are written as dotted OID with #hex.
var attributeTypes = []attributeType{
	// RFC 4514 §3, RFC 4519, RFC 5280 §4.1.2.4
	{"2.5.4.3", []string{"CN", "commonName"}},
	{"2.5.4.4", []string{"SN", "surname"}},
	{"2.5.4.5", []string{"serialNumber"}},
	{"2.5.4.6", []string{"C", "countryName"}},
	{"2.5.4.7", []string{"L", "localityName"}},
	{"2.5.4.8", []string{"ST", "stateOrProvinceName"}},
	{"2.5.4.9", []string{"street", "streetAddress"}},
	{"2.5.4.10", []string{"O", "organizationName"}},
	{"2.5.4.11", []string{"OU", "organizationalUnitName"}},
	{"2.5.4.12", []string{"title"}},
	{"2.5.4.13", []string{"description"}},
	{"2.5.4.17", []string{"postalCode"}},
	{"2.5.4.18", []string{"postOfficeBox"}},
	{"2.5.4.19", []string{"physicalDeliveryOfficeName"}},
	{"2.5.4.41", []string{"name"}},
	{"2.5.4.42", []string{"givenName", "GN"}},
	{"2.5.4.43", []string{"initials"}},
	{"2.5.4.44", []string{"generationQualifier"}},
	{"2.5.4.46", []string{"dnQualifier"}},
	{"2.5.4.51", []string{"houseIdentifier"}},
	{"2.5.4.65", []string{"pseudonym"}},
	{"0.9.2342.19200300.100.1.1", []string{"UID", "userId"}},
	{"0.9.2342.19200300.100.1.3", []string{"mail", "rfc822Mailbox"}},
	{"0.9.2342.19200300.100.1.25", []string{"DC", "domainComponent"}},
	// RFC 2985
	{"1.2.840.113549.1.9.1", []string{"emailAddress", "email", "E"}},
	{"1.2.840.113549.1.9.2", []string{"unstructuredName"}},
	{"1.2.840.113549.1.9.8", []string{"unstructuredAddress"}},
	// Open Banking and eIDAS: ETSI EN 319 412-3, ETSI TS 119 495, CA/B EV
	{"2.5.4.15", []string{"businessCategory"}},
	{"2.5.4.97", []string{"organizationIdentifier"}},
	{"1.3.6.1.4.1.311.60.2.1.1", []string{"jurisdictionLocalityName", "jurisdictionL"}},
	{"1.3.6.1.4.1.311.60.2.1.2", []string{"jurisdictionStateOrProvinceName", "jurisdictionST"}},
	{"1.3.6.1.4.1.311.60.2.1.3", []string{"jurisdictionCountryName", "jurisdictionC"}},
}

var oidByName, nameByOID = indexTypes()

func indexTypes() (byName, byOID map[string]string) {
	byName, byOID = make(map[string]string), make(map[string]string)
	for _, t := range attributeTypes {
		byOID[t.oid] = t.names[0]
		for _, name := range t.names {
			byName[strings.ToLower(name)] = t.oid
		}
	}
	return byName, byOID
}

// nameOf returns the name of a type, or its dotted OID and false.
func nameOf(oid string) (string, bool) {
	if name, ok := nameByOID[oid]; ok {
		return name, true
	}
	return oid, false
}
