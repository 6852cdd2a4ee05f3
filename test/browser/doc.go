// Package browser opens the pages that `benchkeep compare -o html` writes in a
// headless Chromium: from a file, as whoever downloads one from a CI system does.
//
// Whatever a test is about, it fails if its page asks for anything but itself, or
// if anything is written to the console. With SCREENSHOTS=folder in the
// environment, what the tests saw is kept there.
//
// It is a module of its own because the browser's protocol is nobody else's
// business.
package browser
