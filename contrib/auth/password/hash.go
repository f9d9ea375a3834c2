package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

const (
	// RFC 9106 §4, the second recommended choice: 64 MiB, three passes, four lanes.
	argonTime, argonMemory, argonLanes = 3, 64 << 10, 4
	saltBytes, sumBytes                = 16, 32
	// Bounds on what a file may ask for, since a check costs that much with each call.
	maxArgonTime, maxArgonMemory, maxBcryptCost = 20, 1 << 20, 16
	// maxPassword bounds a password: bcrypt reads 72 bytes.
	maxPassword, maxBcryptPassword = 1024, 72
)

// Hash returns an Argon2id hash of a password for a line of the file, with a random salt. The
// password must have 1 to 1024 bytes.
func Hash(password string) (string, error) {
	if password == "" || len(password) > maxPassword {
		return "", fmt.Errorf("password: %d bytes, want 1 to %d", len(password), maxPassword)
	}
	salt := make([]byte, saltBytes)
	rand.Read(salt)
	h := argon{time: argonTime, memory: argonMemory, lanes: argonLanes, salt: salt}
	h.sum = h.of(password, sumBytes)
	return h.String(), nil
}

// hash is a password's hash.
type hash interface {
	// matches takes the same time for every password.
	matches(password string) bool
	// dummy returns a hash of the same cost that no password has.
	dummy() hash
	// cost names the parameters that decide how long matches takes.
	cost() string
}

type argon struct {
	time, memory uint32 // passes, KiB
	lanes        uint8
	salt, sum    []byte
}

func (h argon) of(password string, bytes int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(bytes))
}

func (h argon) matches(password string) bool {
	return subtle.ConstantTimeCompare(h.of(password, len(h.sum)), h.sum) == 1
}

func (h argon) dummy() hash {
	h.sum = make([]byte, len(h.sum))
	rand.Read(h.sum)
	return h
}

func (h argon) cost() string {
	return fmt.Sprintf("argon2id %d %d %d %d", h.memory, h.time, h.lanes, len(h.sum))
}

// String is the PHC string format of Argon2's reference implementation.
func (h argon) String() string {
	e := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes, e(h.salt), e(h.sum))
}

type bcryptHash []byte

func (h bcryptHash) matches(password string) bool {
	fits := len(password) <= maxBcryptPassword
	if !fits {
		password = password[:maxBcryptPassword] // takes as long as one that fits
	}
	return bcrypt.CompareHashAndPassword(h, []byte(password)) == nil && fits
}

func (h bcryptHash) cost() string {
	cost, _ := bcrypt.Cost(h)
	return fmt.Sprintf("bcrypt %d", cost)
}

func (h bcryptHash) dummy() hash {
	cost, _ := bcrypt.Cost(h)
	d, err := bcrypt.GenerateFromPassword([]byte(rand.Text()), cost)
	if err != nil {
		return h
	}
	return bcryptHash(d)
}

// parseHash reads a hash. Errors do not repeat it.
func parseHash(s string) (hash, error) {
	switch {
	case strings.HasPrefix(s, "$argon2id$"):
		return parseArgon(s)
	case strings.HasPrefix(s, "$2a$"), strings.HasPrefix(s, "$2b$"), strings.HasPrefix(s, "$2y$"):
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil || len(s) != 60 {
			return nil, errors.New("not a bcrypt hash")
		}
		if cost < 10 || cost > maxBcryptCost {
			return nil, fmt.Errorf("bcrypt's cost is %d, want 10 to %d", cost, maxBcryptCost)
		}
		return bcryptHash(s), nil
	}
	return nil, errors.New("neither an Argon2id ($argon2id$...) nor a bcrypt hash ($2y$...)")
}

func parseArgon(s string) (hash, error) {
	var h argon
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return nil, fmt.Errorf("want $argon2id$v=%d$m=KIB,t=PASSES,p=LANES$SALT$HASH", argon2.Version)
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.lanes); err != nil {
		return nil, errors.New("Argon2id's parameters are not m=KIB,t=PASSES,p=LANES")
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case err1 != nil || err2 != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.sum) < 16 || len(h.sum) > 64:
		return nil, errors.New("Argon2id's salt or hash is malformed: want 8 to 64 and 16 to 64 bytes in base64 without padding")
	case h.time < 1 || h.time > maxArgonTime || h.memory < 8*uint32(h.lanes) || h.memory > maxArgonMemory || h.lanes < 1:
		return nil, fmt.Errorf("Argon2id's parameters are out of bounds: at most %d KiB and %d passes", maxArgonMemory, maxArgonTime)
	}
	return h, nil
}
