package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/benchkeep/benchkeep/test/harness"
)

const (
	width  = 1400
	height = 900
)

// A tab shows one page in a browser of its own.
type tab struct {
	t   testing.TB
	ctx context.Context
	dir string

	mu         sync.Mutex
	requests   []string
	complaints []string // of the console, uncaught errors, dialogs
}

// open shows a page, given as HTML, from a file. When the test ends, it fails if
// the page has asked for anything else, or if the console has anything to say.
func open(t testing.TB, html []byte) *tab {
	t.Helper()
	b := &tab{t: t, dir: harness.Dir(t)}
	url := "file://" + harness.WriteFile(t, b.dir, "page.html", string(html))

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.WindowSize(width, height))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which is not for root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	tabContext, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b.ctx = tabContext
	require.NoError(t, chromedp.Listen(b.ctx, b.listen), "start browser") // which lasts as long as this context
	_, err := chromedp.Call(b.ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err, "watch requests")
	_, err = chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err, "watch log")
	b.do("open page", chromedp.EmulateViewport(width, height), chromedp.Navigate(url))
	t.Cleanup(func() {
		if t.Failed() {
			b.screenshot("failed")
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, []string{url}, b.requests, "all that was asked for")
		require.Empty(t, b.complaints)
	})
	return b
}

// chromium is the path of a Chromium.
func chromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-headless-shell", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no browser: install one of Debian's packages chromium and chromium-headless-shell, or google-chrome")
	return ""
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		said, _ := json.Marshal(e.Args)
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s: %s", e.Type, said))
	case *runtime.EventExceptionThrown:
		said, _ := json.Marshal(e.ExceptionDetails)
		b.complaints = append(b.complaints, "uncaught: "+string(said))
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
	case *page.EventJavascriptDialogOpening:
		b.complaints = append(b.complaints, "dialog: "+e.Message)
	}
}

// do does something in the browser.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, harness.Patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, actions...), what)
}

// eval is the value of a JavaScript expression.
func eval[T any](b *tab, expression string, args ...any) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, harness.Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](fmt.Sprintf(expression, args...)))
	require.NoError(b.t, err, expression)
	return value
}

// text is the text that the first element of a selector shows.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, `document.querySelector(%q).innerText`, selector)
}

// texts are the texts that the visible elements of a selector show.
func (b *tab) texts(selector string) []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility()).map((e) => e.innerText)`, selector)
}

// until waits for a JavaScript condition. chromedp.Poll makes a function of a
// string in the page, which the page's policy forbids; this looks at every frame.
func (b *tab) until(condition string) {
	b.t.Helper()
	b.do("wait for "+condition, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`new Promise((done) => { const look = () => (%s) ? done(true) : requestAnimationFrame(look); look(); })`, condition), chromedp.EvalAwaitPromise))
}

// hover moves the pointer over the first element of a selector, to a part of its
// width and height.
func (b *tab) hover(selector string, x, y float64) {
	b.t.Helper()
	at := eval[struct{ Left, Top, Width, Height float64 }](b, `(() => {
		const e = document.querySelector(%q);
		e.scrollIntoView({ block: "center" });
		const { left, top, width, height } = e.getBoundingClientRect();
		return { Left: left, Top: top, Width: width, Height: height };
	})()`, selector)
	b.do("hover", chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at.Left+x*at.Width, at.Top+y*at.Height))
}

// click clicks the first element of a selector.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// typeIn replaces what is in the search box.
func (b *tab) typeIn(text string) {
	b.t.Helper()
	b.do("search", chromedp.Focus(chromedp.CSS("#search")),
		chromedp.Evaluate[chromedp.Void](`document.getElementById("search").select()`), chromedp.KeyEvent(text))
}

// slash presses the key that goes to the search: as one event, so that the page
// can prevent the character.
func (b *tab) slash() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: "/", Text: "/"})
	require.NoError(b.t, err, "press /")
	_, err = chromedp.Call(b.ctx, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyUp, Key: "/"})
	require.NoError(b.t, err, "release /")
}

// press presses a key.
func (b *tab) press(key string) {
	b.t.Helper()
	b.do("press key", chromedp.KeyEvent(key))
}

// viewport is how large the page is shown, in CSS pixels.
func (b *tab) viewport(width, height int64) {
	b.t.Helper()
	b.do("resize", chromedp.EmulateViewport(width, height))
}

// prefer is the colour scheme that the user's system has.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(b.t, err, "prefer "+scheme)
}

// Hues count the pixels of either side's colour.
type hues struct{ Base, New int }

// colours counts the pixels of the canvas in the first element of a selector that
// have the colour of the marks of either side.
func (b *tab) colours(selector string) hues {
	b.t.Helper()
	return eval[hues](b, `(() => {
		const canvas = document.querySelector(%q).querySelector("canvas");
		const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
		copy.drawImage(canvas, 0, 0);
		const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
		const count = (name) => {
			const want = getComputedStyle(document.querySelector("#inks .ink-" + name)).color.match(/\d+/g).map(Number);
			let n = 0;
			for (let i = 0; i < data.length; i += 4) {
				n += data[i + 3] > 200 && want.every((v, j) => Math.abs(v - data[i + j]) < 24);
			}
			return n;
		};
		return { Base: count("base"), New: count("new") };
	})()`, selector)
}

// screenshot keeps what is to be seen, in the test's folder or below the one that
// SCREENSHOTS names.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	dir := b.dir
	if kept := os.Getenv("SCREENSHOTS"); kept != "" {
		dir = filepath.Join(kept, b.t.Name())
		require.NoError(b.t, os.MkdirAll(dir, 0o755))
	}
	ctx, cancel := context.WithTimeout(b.ctx, harness.Patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err, "take screenshot")
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}
