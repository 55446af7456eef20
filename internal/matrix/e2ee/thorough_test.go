package e2ee

import "os"

// thorough reports whether the sizes of CI are wanted.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" }
