package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// takeFlags chooses the destination, as far as the configuration and the flags tell.
func (s *settingUp) takeFlags() error {
	f := s.flags
	switch {
	case f.isMatrix():
		s.known.Type = setup.Matrix
	case f.isKaizala():
		s.known.Type = setup.Kaizala
	}
	var fit []config.Destination
	for _, d := range s.base.config.Destinations {
		if s.known.Type != "" && d.Type != s.known.Type || f.homeserver != "" && d.Matrix.Homeserver != f.homeserver ||
			f.applicationID != "" && d.Kaizala.ApplicationID != f.applicationID || f.endpoint != "" && d.Kaizala.Endpoint != strings.TrimRight(f.endpoint, "/") {
			continue
		}
		fit = append(fit, d)
	}
	named := func(d config.Destination) bool { return d.Name == f.destination }
	switch i := slices.IndexFunc(s.base.config.Destinations, named); {
	case i >= 0 && !slices.ContainsFunc(fit, named):
		return fmt.Errorf("the destination %s is configured, and not as the flags say: name another one, or leave those flags out", quotedArg(f.destination))
	case i >= 0:
		s.use(s.base.config.Destinations[i])
	case f.destination != "" || f.homeserver != "" && len(fit) == 0 || f.applicationID != "" && len(fit) == 0:
		s.known.Destination = f.destination
	case len(fit) == 1:
		s.use(fit[0])
	case len(fit) > 1:
		s.known.Destinations, s.known.Type = len(fit), ""
	}
	if s.known.Configured && (f.secretFile != "" || f.refreshFile != "") {
		return fmt.Errorf("%s is configured already: --application-secret-file and --refresh-token-file are for a new destination", s.known.Destination)
	}
	return nil
}

// use takes a destination that is configured.
func (s *settingUp) use(d config.Destination) {
	s.known.Destination, s.known.Type, s.known.Configured = d.Name, d.Type, true
	s.say("Files are posted to %s. (Another destination: --destination NAME.)\n", serviceOf(d))
}

func serviceOf(d config.Destination) string {
	if d.Type == config.MatrixType {
		return fmt.Sprintf("%s, the Matrix server %s", d.Name, text.Printable(d.Matrix.Homeserver))
	}
	return fmt.Sprintf("%s, the Kaizala at %s", d.Name, text.Printable(d.Kaizala.Endpoint))
}

// flagged are the facts that flags will answer.
func (s *settingUp) flagged() setup.Known {
	k, f := s.known, s.flags
	k.Homeserver = cmp.Or(k.Homeserver, f.homeserver)
	k.ApplicationID = cmp.Or(k.ApplicationID, f.applicationID)
	k.Endpoint = cmp.Or(k.Endpoint, usualEndpoint)
	k.Secret = k.Secret || f.secretFile != ""
	k.LoggedIn = k.LoggedIn || !k.Looked && s.hasLogin(k) || f.tokenStdin || f.passwordStdin && f.user != "" || f.phone != "" || f.refreshFile != ""
	k.Target = cmp.Or(k.Target, f.room, f.group)
	k.Folder = cmp.Or(k.Folder, f.folder)
	return k
}

// hasLogin reports whether there seems to be a login of before.
func (s *settingUp) hasLogin(k setup.Known) bool {
	name := k.Destination
	if name == "" {
		name = s.nameFor()
	}
	if k.Type == setup.Kaizala {
		return kaizala.HasLogin(s.stateDir(), name)
	}
	return k.Homeserver != "" && matrix.LoggedInAt(s.stateDir(), name) == k.Homeserver
}

// answer finds one thing out: by a flag, or by asking.
func (s *settingUp) answer(q setup.Question) error {
	switch q {
	case setup.AskDestination:
		return s.until("Which destination: "+s.names(), "", s.takeDestination)
	case setup.AskType:
		return s.until("Post to matrix or kaizala", setup.Matrix, s.takeType)
	case setup.AskHomeserver:
		return s.given(s.flags.homeserver, "Matrix server of the account, its name or address", s.likelyHomeserver(), s.takeHomeserver)
	case setup.AskEndpoint:
		return s.given(s.flags.endpoint, "Address of Kaizala", usualEndpoint, s.takeEndpoint)
	case setup.AskApplication:
		return s.given(s.flags.applicationID, "Application ID of the connector", "", s.takeApplication)
	case setup.AskSecret:
		return s.askSecret()
	case setup.LogIn:
		return s.logIn()
	case setup.AskTarget:
		return s.askTarget()
	case setup.AskFolder:
		return s.given(s.flags.folder, "Folder to drop files into", s.likelyFolder(), s.takeFolder)
	case setup.AskPlace:
		return s.askPlace()
	case setup.AskPeople:
		return s.given(s.flags.people, "Who may drop files there: a group of this machine", s.host.group, s.takePeople)
	case setup.AskMend:
		return s.askMend()
	case setup.AskPresent:
		return s.askPresent()
	default:
		return s.askPlan()
	}
}

// given takes a flag, or asks.
func (s *settingUp) given(flag, question, fallback string, take func(answer string) error) error {
	if flag != "" {
		return failed(take(flag))
	}
	return failed(s.until(question, fallback, take))
}

func (s *settingUp) names() string {
	var names []string
	for _, d := range s.base.config.Destinations {
		names = append(names, d.Name)
	}
	return strings.Join(names, ", ")
}

func (s *settingUp) takeDestination(answer string) error {
	for _, d := range s.base.config.Destinations {
		if d.Name == answer {
			s.use(d)
			return nil
		}
	}
	return fmt.Errorf("write one of %s", s.names())
}

func (s *settingUp) takeType(answer string) error {
	switch answer = strings.ToLower(answer); answer {
	case setup.Matrix, setup.Kaizala:
		s.known.Type = answer
		return nil
	}
	return errors.New("write matrix or kaizala")
}

// likelyHomeserver is that of a login that was not written down, or else the domain of this machine.
func (s *settingUp) likelyHomeserver() string {
	s.known.Destination = cmp.Or(s.known.Destination, s.nameFor())
	return cmp.Or(matrix.LoggedInAt(s.stateDir(), s.known.Destination), domain())
}

func (s *settingUp) takeHomeserver(answer string) error {
	s.known.Destination, s.known.Homeserver = cmp.Or(s.known.Destination, s.nameFor()), answer
	err := s.configure()
	if err == nil {
		err = s.takesPasswords()
	}
	if err != nil {
		s.known.Homeserver = ""
	}
	return err
}

// takesPasswords asks the homeserver, also to see that it is one. One that takes none is logged in to with a token.
func (s *settingUp) takesPasswords() error {
	client, err := matrixClient(s.to, "login")
	if err != nil {
		return err
	}
	defer client.Close()
	ok, others, err := client.TakesPasswords(s.ctx)
	if err == nil && !ok && s.dialogue.terminal {
		s.say("  It takes no passwords, but %s: make an access token there.\n", cmp.Or(text.Printable(others), "nothing that it tells of"))
		s.flags.tokenStdin = true
	}
	return err
}

func (s *settingUp) takeEndpoint(answer string) error {
	s.known.Destination, s.known.Endpoint = cmp.Or(s.known.Destination, s.nameFor()), strings.TrimRight(answer, "/")
	err := s.configure()
	if err != nil {
		s.known.Endpoint = ""
	}
	return err
}

func (s *settingUp) takeApplication(answer string) error {
	if answer == "" {
		return errors.New("write the id, as the connector's page has it")
	}
	s.known.ApplicationID = answer
	err := s.configure()
	if err != nil {
		s.known.ApplicationID = ""
	}
	return err
}
