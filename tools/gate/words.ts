/** Expressions that no comment, message, page or test name may have, each with what to write instead. */
export const BANNED_PROSE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [
    /\bMakes (what|the (one|same))\b|\b(nobody|somebody|anybody|everybody|whoever|whom)\b|\b([Hh]e|[Hh]im|[Hh]is|himself)\b(?!')/g,
    "name the thing or the person: the user, the caller, no one, they",
  ],
  [
    /\b(that|than|which|as|whether) there (is|are|was|were)\b|\bof (no |any |more )?use\b|\bfate\b|\b(becomes?|became|become) of\b/g,
    "outcome, exists, has expired",
  ],
  [
    /\b(is|are|was|were|be|been) (told|said)\b|\btold\b|\btells? (of|why|how|what|who|which|whether|when)\b|\bhand(s|ed|ing)? (it |them |mail )?in\b/g,
    "emit, notify, report, log, return; submit",
  ],
  [
    /\bmails\b(?! (a|an|the|its?|them)\b)|\b(a|an|the|each|every|next|last|one|no|of|many|other) (try|tries)\b|\b[Ll]og-ins?\b/g,
    "message, attempt, login",
  ],
  [
    /\b[Ee]nrol(s|ment)?\b|\b(normal|recogn|international|organ|serial|initial|author)is(e|ed|es|ing|ation)\b|\b(behaviour|colour|honour|[Dd]ialler|misspelt)\b/g,
    "American spelling",
  ],
  [
    /\bbeside\b|\banew\b|\bby and by\b|\bfor ever\b|\b(is|are) away\b|\blets? go of\b|\bother than before\b|\bin whatever\b|\b[Tt]he reference('s)?\b/g,
    "next to, again, gradually, unavailable, release; privacyIDEA by name",
  ],
];

/** The same for the first word of a comment. */
export const BANNED_START = /^\W*(What|Who|Whom|Whose|Of|So (many|much|long))\b(?!.*\?)/g;

/** Names that code may not have. */
export const BANNED_CODE: readonly RegExp[] = [
  /\b(MOST|LEAST|LONGEST)_[A-Z]\w*/g,
  /\b[Ll]anes?\b|LaneQueue/g,
  /\brefuse[A-Z]\w*/g,
  /\(parts: |[A-Z]\w+Parts\b/g,
  /\bconst (said|told)\b/g,
  /\b(Holding|HeldMail|Passage|Carrier|Scene|Owed|Unsent|Unfinished|Alongside|Running|Candidate|OpenServer|SendingServer|OpenKey|Turns|SharedAppends|Dialogue)\b/g,
  /\b(passedOver|letGo|look(Once|In)|tellOf\w+|noSooner|cutMail|mailCut|makeSure)\b/g,
];

/** Words of which all rooms together may have one in a thousand. */
export const BUDGET: readonly RegExp[] = [
  /\banswer(s|ed)?\b/g,
  /\b[Rr]efus\w+/g,
  /\bstands? (in|before|beside|bare)\b/g,
  /\bbeg(ins?|an|un)\b/g,
  /\b(hears?|speaks?)\b/g,
  /\b(a|the|one|each|every) mail\b/g,
  /, too\b/g,
  /\bat once\b/g,
  /; (null|empty|else|absent|default)\b/g,
];

/** The same for the first word of a docstring. */
export const BUDGET_START = /^\W*(When|Where|How|Why)\b/g;
