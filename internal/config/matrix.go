package config

import "kaizala-drop/internal/matrix/names"

// homeserver is the name of a server, or its address.
func homeserver[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if _, err := names.CheckHomeserver(s); s != "" && err != nil {
			at.problem("is not usable: %v", err)
			return false
		}
		return true
	})
}

// user is the id of an account, or nothing.
func user[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if err := names.CheckUser(s); s != "" && err != nil {
			at.problem("is not usable: %v", err)
			return false
		}
		return true
	})
}

// room is an alias or an id.
func room[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if err := names.CheckRoom(s); err != nil {
			at.problem("is not usable: %v", err)
			return false
		}
		return true
	})
}
