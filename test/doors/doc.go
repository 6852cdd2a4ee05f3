// Package doors proves that benchkeep withstands what does not belong: wrong
// and hostile input, clients that are slow on purpose or too many, strangers
// at the doors that --web.config.file closes, names that would climb out of
// their directory. It looks at memory, answers, logs, files and their modes
// from outside the process.
package doors
