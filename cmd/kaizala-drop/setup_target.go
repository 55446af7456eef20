package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// configure makes the destination as it will be configured, or says what is wrong with it.
func (s *settingUp) configure() error {
	edits := s.destinationEdits()
	if reference, _ := s.keptAt("application-secret"); s.known.Type == setup.Kaizala && !s.known.Configured && s.references[reference] == "" && !s.known.Secret {
		s.references[reference] = "not given yet"
		defer delete(s.references, reference)
	}
	_, c, err := s.parse(edits, true)
	if err != nil {
		return shortly(err)
	}
	if s.to.to, err = chooseAccount(c.Destinations, []string{s.known.Destination}); err != nil {
		return err
	}
	s.to.config = c
	s.kind, err = kindOf(s.to.to)
	return err
}

// shortly leaves out of problems where they are, as nothing is there yet.
func shortly(err error) error {
	problems, ok := errors.AsType[*config.Problems](err)
	if !ok {
		return err
	}
	var lines []string
	for _, p := range problems.List {
		lines = append(lines, p.Text)
	}
	return errors.New(strings.Join(lines, "\n"))
}

// askTarget lists what can be posted to, and has one of it chosen.
func (s *settingUp) askTarget() error {
	list, err := s.kind.groups(s.ctx, s.to, io.Discard)
	if err != nil {
		return failed(err)
	}
	if s.list = list; len(list) == 0 && s.known.Type == setup.Kaizala {
		return failed(errors.New("this connector is in no group yet: have it added to one in Kaizala, and run setup again"))
	}
	flag, what := s.flags.room, "room"
	if s.known.Type == setup.Kaizala {
		flag, what = s.flags.group, "group"
	}
	fallback := ""
	if s.dialogue.terminal && flag == "" {
		s.showTargets(what)
		if i := s.likelyTarget(); i >= 0 {
			fallback = strconv.Itoa(i + 1)
		}
	}
	question := "Which " + what + " to post to, its number or id"
	if what == "room" {
		question = "Which room to post to, its number, #alias:server or !id"
	}
	return s.given(flag, question, fallback, s.takeTarget)
}

func (s *settingUp) showTargets(what string) {
	if len(s.list) == 0 {
		s.say("The account is in no %s yet: have it invited to one, or write one that is open to all.\n", what)
		return
	}
	s.say("\n")
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, g := range s.list {
		about := shown(strings.TrimPrefix(g.Role, g.target()+" "))
		if len(g.Folders) > 0 {
			about += ", from " + shownFolders(g.Folders)
		}
		fmt.Fprintf(table, "%4d\t%s\t%s\t%s\n", i+1, shown(g.Name), text.Printable(g.target()), about)
	}
	_ = table.Flush() // into memory
	for line := range strings.Lines(b.String()) {
		s.say("%s\n", strings.TrimRight(line, " \n"))
	}
}

// likelyTarget is the first that nothing is known against and that no folder posts to yet, or else that nothing is known against; -1: none.
func (s *settingUp) likelyTarget() int {
	free := func(g listedGroup) bool { return s.isOpen(g) && len(g.Folders) == 0 }
	if i := slices.IndexFunc(s.list, free); i >= 0 {
		return i
	}
	return slices.IndexFunc(s.list, s.isOpen)
}

func (s *settingUp) isOpen(g listedGroup) bool {
	return s.known.Type == setup.Kaizala || g.Role == "may post" || g.Role == "invited"
}

// takeTarget takes a number of the list, an id, an alias or a name.
func (s *settingUp) takeTarget(answer string) error {
	var found []listedGroup
	for i, g := range s.list {
		if s.dialogue.terminal && answer == strconv.Itoa(i+1) || answer != "" && (answer == g.ID || answer == g.Alias) {
			found = []listedGroup{g}
			break
		}
		if strings.EqualFold(answer, g.Name) {
			found = append(found, g)
		}
	}
	switch {
	case answer == "":
		return errors.New("write a number of the list, or an id")
	case len(found) > 1:
		return fmt.Errorf("%d have that name: take the number or the id", len(found))
	case len(found) == 1:
		answer = found[0].target()
		s.called = found[0].Name
	}
	if s.known.Type == setup.Kaizala {
		if len(found) == 0 {
			return fmt.Errorf("%s is not among the groups of this connector: kaizala-drop groups lists them", quotedArg(answer))
		}
	} else if err := s.lookAtRoom(answer); err != nil {
		return err
	}
	s.known.Target = answer
	return nil
}

// lookAtRoom says what stands against a post to a room.
func (s *settingUp) lookAtRoom(room string) error {
	client, err := matrixClient(s.to, "groups")
	if err != nil {
		return err
	}
	defer client.Close()
	seen, err := client.Look(s.ctx, room)
	switch {
	case err != nil:
		return err
	case seen.Trouble != "":
		return errors.New(seen.Trouble)
	}
	if s.called == "" || seen.Name != "" {
		s.called = seen.Name
	}
	return nil
}
