// Package page writes what a comparison has found as a web page: one file that
// holds its data, its script and its style, opens from a disk or a CI system's
// artifacts, and asks nothing of any server.
//
// Everything that a run, a metric or a user has named is somebody else's text.
// The templates escape it, the data goes into the page as JSON that cannot end
// its element, and the script writes text only. A content security policy, which
// knows the page's own script and style by their hashes, holds all of it to that.
//
// The script is in parts, which follow each other in this order: what every page
// needs (base.js, format.js, chart.js), then report.js or history.js.
package page
