"""Reports as programs read them: JSON by its schema, CSV by a reader, HTML by a parser and, where there is
one, by a browser that must not have to scroll sideways.

audit_report.py FOLDER SCHEMA
"""
import csv
import html.parser
import json
import pathlib
import re
import shutil
import subprocess
import sys

FOLDER = pathlib.Path(sys.argv[1])
TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3", "p",
        "time", "strong", "ul", "li", "b", "span", "div", "section", "svg", "rect", "table",
        "thead", "tbody", "tr", "th", "td", "a", "details", "summary", "small", "code", "dl", "dt",
        "dd", "footer"}
ATTRIBUTES = {"lang", "charset", "name", "content", "http-equiv", "class", "datetime", "aria-label",
              "aria-hidden", "viewbox", "preserveaspectratio", "x", "y", "width", "height", "href",
              "id", "open", "role", "colspan"}
VOID = {"meta", "rect"}
MEASURE = """<script>addEventListener('load', () => {
document.querySelectorAll('details').forEach(d => d.open = true);
document.documentElement.setAttribute('data-wide', document.documentElement.scrollWidth);
document.documentElement.setAttribute('data-view', innerWidth);
});</script>"""


def check(ok, what):
    if not ok:
        sys.exit(f"FAILED: {what}")


def check_json(schema_path):
    report = json.loads((FOLDER / "report.json").read_text())
    ends = {g["host"].split(".")[0]: g["end"] for g in report["gateways"]}
    check(ends["refusing"] == "rate-limited" and ends["plain"] == "no-starttls", "ends")
    check(report["worst"] == "critical", "worst")
    meaning = [g["words"]["meaning"] for g in report["gateways"]]
    check(any(m and "reputation" in m for m in meaning), "the meaning of RP-001")
    try:
        import jsonschema
    except ImportError:
        print("no jsonschema here: the schema is not tried")
        return
    schema = json.loads(pathlib.Path(schema_path).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for name in ["report.json", "later.json"]:
        jsonschema.validate(json.loads((FOLDER / name).read_text()), schema)


def check_csv():
    with open(FOLDER / "report.csv", newline="") as f:
        rows = list(csv.reader(f, strict=True))
    check(len(rows) > 10, "too few rows")
    for row in rows:
        check(len(row) == len(rows[0]), f"a row of {len(row)} cells")
        for cell in row:
            check(not re.match(r"[=+\-@\t\r|%]", cell), f"a formula: {cell}")
    check(any("'=cmd" in cell for row in rows for cell in row), "the guarded formula")
    check(b"\n" not in (FOLDER / "report.csv").read_bytes().replace(b"\r\n", b""), "ends of lines")


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text, self.styles = [], "", 0

    def handle_starttag(self, tag, attrs):
        check(tag in TAGS, f"a tag of a stranger: {tag}")
        for name, value in attrs:
            check(name in ATTRIBUTES, f"an attribute of a stranger: {name}")
            if name == "href":
                check(re.fullmatch(r"#g\d+", value), f"a link to elsewhere: {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        check(self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}")
        self.open.pop()

    def handle_data(self, data):
        self.text += data


def check_html():
    raw = (FOLDER / "report.html").read_bytes()
    check(all(b == 10 or 32 <= b < 127 for b in raw), "a byte that is not printable")
    page = Page()
    page.feed(raw.decode())
    page.close()
    check(not page.open, f"left open: {page.open}")
    check("<script>document.title='x'</script>" in page.text, "the hostile words, as words")
    check("default-src 'none'" in raw.decode(), "the policy")
    check("url(" not in raw.decode() and "@import" not in raw.decode(), "something from elsewhere")


def check_browser():
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        print("no chromium here: the page is not rendered")
        return
    page = (FOLDER / "report.html").read_text()
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    # A window of chromium is at least 500 wide; a frame may be narrower.
    inner = FOLDER / "inner.html"
    inner.write_text(page.replace("</body>", MEASURE + "</body>"))
    for width in [320, 360, 1200]:
        outer = FOLDER / "outer.html"
        outer.write_text(f"""<iframe id=f src="inner.html" width={width} height=900
            style="border:0"></iframe><script>addEventListener('load', () => setTimeout(() => {{
            const d = document.getElementById('f').contentDocument;
            document.title = d.documentElement.getAttribute('data-wide') + '/' +
                d.documentElement.getAttribute('data-view') + '/' + d.title;
            }}, 50));</script>""")
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--allow-file-access-from-files", f"--user-data-dir={FOLDER}/chromium",
             "--window-size=1400,1000", "--virtual-time-budget=5000", "--dump-dom",
             outer.as_uri()], capture_output=True, text=True, timeout=100)
        title = re.search(r"<title>(\d+)/(\d+)/(.*?)</title>", done.stdout)
        check(title, f"no measure at {width}: {done.stdout[:300]}{done.stderr[-300:]}")
        check(int(title[2]) == width, f"the frame is {title[2]} wide, not {width}")
        check(int(title[1]) <= width, f"at {width} the page is {title[1]} wide")
        check(title[3] == "TLS audit", f"the title became {title[3]}")


check_json(sys.argv[2])
check_csv()
check_html()
check_browser()
