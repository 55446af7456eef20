package setup

import (
	"strings"
	"unicode"
)

// Known is what is known of a folder that is to be set up, from the configuration, the flags and the answers.
type Known struct {
	Destination  string // the name of one that is configured, or of a new one
	Destinations int    // that are configured and could be meant
	Configured   bool   // the destination is, wholly

	Type          string // Matrix or Kaizala; "": not known
	Homeserver    string // of Matrix
	Endpoint      string // of Kaizala, like the next two
	ApplicationID string
	Secret        bool // there is an application secret

	Looked   bool   // whether there is something to get access with
	LoggedIn bool   // there is
	Target   string // the group or room
	Folder   string // its path
	People   string // the group of those who drop files
	Makes    bool   // the folder is not there, and made by somebody who can give it to a group
	Mended   bool   // what the folder lacks is nothing, or was asked about
	Doubt    string // what the folder seems to be beside one to drop files into; "": nothing
	Sure     bool   // it is meant all the same
	Holds    Holds  // what is in the folder already
	Agreed   bool   // that they are posted, too
	Planned  bool   // what is to be done was shown and agreed to
}

// The types of destinations, as the configuration has them.
const (
	Matrix  = "matrix"
	Kaizala = "kaizala"
)

// Question is one thing to find out.
type Question int

// The questions, in the order in which they are asked.
const (
	Done Question = iota
	AskDestination
	AskType
	AskHomeserver
	AskEndpoint
	AskApplication
	AskSecret
	LogIn
	AskTarget
	AskFolder
	AskPlace
	AskPeople
	AskMend
	AskPresent
	AskPlan
)

// Open gives the questions that are still to be answered, in their order: of what follows from an answer, only once that is there.
func Open(k Known) (all []Question) {
	isNew := !k.Configured
	for _, q := range []struct {
		ask  Question
		open bool
	}{
		{AskDestination, k.Destination == "" && k.Type == "" && k.Destinations > 1},
		{AskType, isNew && k.Type == "" && k.Destinations < 2},
		{AskHomeserver, isNew && k.Type == Matrix && k.Homeserver == ""},
		{AskEndpoint, isNew && k.Type == Kaizala && k.Endpoint == ""},
		{AskApplication, isNew && k.Type == Kaizala && k.ApplicationID == ""},
		{AskSecret, isNew && k.Type == Kaizala && !k.Secret},
		{LogIn, k.Type != "" && !k.LoggedIn},
		{AskTarget, k.Target == ""},
		{AskFolder, k.Folder == ""},
		{AskPlace, k.Folder != "" && k.Doubt != "" && !k.Sure},
		{AskPeople, k.Folder != "" && k.Makes && k.People == ""},
		{AskMend, k.Folder != "" && !k.Makes && !k.Mended},
		{AskPresent, k.Folder != "" && k.Holds.Files > 0 && !k.Agreed},
		{AskPlan, k.Folder != "" && !k.Planned},
	} {
		if q.open {
			all = append(all, q.ask)
		}
	}
	return all
}

// Next is the first open question, or Done.
func Next(k Known) Question {
	if open := Open(k); len(open) > 0 {
		return open[0]
	}
	return Done
}

// Missing says, for each question that only a person could answer, which flag answers it as well.
func Missing(k Known) (flags []string) {
	for _, q := range Open(k) {
		switch q {
		case AskDestination:
			flags = append(flags, "--destination (there are several)")
		case AskType:
			flags = append(flags, "--homeserver for Matrix, or --application-id for Kaizala")
		case AskHomeserver:
			flags = append(flags, "--homeserver")
		case AskApplication:
			flags = append(flags, "--application-id")
		case AskSecret:
			flags = append(flags, "--application-secret-file")
		case LogIn:
			if !k.Looked && k.Configured {
				continue
			}
			if k.Type == Matrix {
				flags = append(flags, "--user with --password-stdin, or --token-stdin")
			} else {
				flags = append(flags, "--phone, or --refresh-token-file")
			}
		case AskTarget:
			flags = append(flags, map[string]string{Matrix: "--room", Kaizala: "--group", "": "--room or --group"}[k.Type])
		case AskFolder:
			flags = append(flags, "--folder")
		}
	}
	return flags
}

// FolderName makes the name of a folder of what a group or room is called: "Lab, 2nd floor" becomes "lab-2nd-floor". It is "" if
// nothing is left.
func FolderName(called string) string {
	const most = 40 // characters
	called = strings.TrimLeft(called, "#!@")
	called, _, _ = strings.Cut(called, ":")
	var b strings.Builder
	n, gap := 0, false
	for _, r := range strings.ToLower(called) {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && r != '_' {
			gap = b.Len() > 0
			continue
		}
		if n++; n > most {
			break
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
