package http1

// FieldID numbers the field names that the package knows. Numbers are not stable
// across versions; never save them.
type FieldID uint8

// FieldOther is any name that is not in the list.
const FieldOther FieldID = 0
