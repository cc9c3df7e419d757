"""The looks of the page of explanations: one style sheet, for light and dark, wide and narrow.

Colours say what an element is, never whether it is good: that is said in words beside it.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--bg:#fbfbfa;--fg:#1c1c1a;--faint:#6d6d66;--line:#e3e2dc;--card:#fff;
--name:#0b6b75;--link:#1f4fb0;--odd:#93591a;--bad:#b3261e;--good:#23703a;--num:#7a2f8a;
--wire:#f5f4ef;--bar:#4a78b8}
@media(prefers-color-scheme:dark){:root{--bg:#161615;--fg:#e8e7e2;--faint:#9d9c94;--line:#34332f;
--card:#1e1e1c;--name:#65c5cf;--link:#8fb4ff;--odd:#e0ab69;--bad:#ff8a80;--good:#7fcf95;
--num:#d79be6;--wire:#252523;--bar:#6f9bdb}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
main,footer{max-width:84rem;margin:0 auto;padding:1rem clamp(.75rem,3vw,2rem)}
h1{font-size:1.35rem;margin:.5rem 0 1.25rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .25rem;overflow-wrap:anywhere}
h3,article h2{font-size:1rem;margin:0;display:flex;gap:1rem;justify-content:space-between}
h3,article h2{flex-wrap:wrap}
h3 span,article h2 span{overflow-wrap:anywhere;min-width:0}
h3 em,article h2 em,dd em{font-style:normal;font-weight:400;color:var(--faint)}
h3 em,article h2 em,dd em{font-variant-numeric:tabular-nums}
code,.hex{font:.9rem/1.55 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.facts,footer{color:var(--faint);font-size:.9rem;margin:.1rem 0 .75rem}
footer{padding-bottom:2rem}
footer a{color:inherit}
article{background:var(--card);border:1px solid var(--line);border-radius:.5rem;margin:.75rem 0;
overflow:hidden}
article h3,article h2{padding:.6rem .9rem;border-bottom:1px solid var(--line)}
article.sent{border-left:.25rem solid var(--link)}
article.received{border-left:.25rem solid var(--good)}
.line{display:grid;grid-template-columns:minmax(0,9fr) minmax(0,11fr);
border-bottom:1px solid var(--line)}
.line>code{background:var(--wire);padding:.4rem .9rem;white-space:pre-wrap;overflow-wrap:anywhere}
.notes{padding:.4rem .9rem;font-size:.95rem}
.notes p{margin:0 0 .15rem;overflow-wrap:anywhere}
.notes b{color:var(--name);font-weight:600}
.notes code{background:var(--wire);border-radius:.2rem;padding:0 .25rem}
cite{font-style:normal;font-size:.8rem;color:var(--faint);white-space:nowrap}
.broken{outline:2px solid var(--bad);outline-offset:-2px}
.bad,.bad b{color:var(--bad)!important}
.mend{color:var(--good)}
.remarks{margin:0;padding:.6rem .9rem .7rem 2rem;font-size:.95rem}
.remarks li{margin:.15rem 0;overflow-wrap:anywhere}
.e-method,.e-status-code{font-weight:700}
.e-target-path,.e-target-authority,.e-target-scheme{color:var(--link)}
.e-target-query{color:var(--good)}
.e-field-name,.e-trailer-name{color:var(--name)}
.e-line-end,.e-head-end,.e-chunk-end,.e-body-end,.e-colon,.e-version,.e-not-read,.cut,
.e-chunk-extension{color:var(--faint)}
.e-chunk-size,.e-last-chunk{color:var(--num);font-weight:600}
.e-broken{background:var(--bad);color:var(--bg)}
.e-left-over,.e-other-protocol{color:var(--odd)}
.line s{font-size:.62em;text-decoration:none;color:var(--faint);border:1px solid var(--line);
border-radius:.25em;padding:0 .2em;margin-left:.2em;vertical-align:.1em}
.hex{white-space:pre;display:block;overflow-x:auto}
.times{background:var(--card);border:1px solid var(--line);border-radius:.5rem;
padding:.2rem .9rem .7rem}
.times h2{margin:.5rem 0 .25rem}
.times h3{margin:.75rem 0 .35rem;font-size:.95rem}
.s2{color:var(--good)}.s3{color:var(--odd)}.s4,.s5{color:var(--bad)}
dl{margin:0;display:grid;grid-template-columns:6.5rem 1fr;row-gap:.1rem;font-size:.9rem}
dt.inner{padding-left:.9rem;color:var(--faint)}
dt,dd{margin:0;min-width:0;overflow-wrap:anywhere}
dd{display:grid;grid-template-columns:1fr 5.5rem;align-items:center}
dd em{text-align:right}
dd small{grid-column:1/-1;color:var(--faint)}
.track{display:block;overflow:hidden;padding:.3rem 0}
.times h3{flex-wrap:nowrap}
.track i{display:block;height:.8rem;min-width:2px;background:var(--bar);border-radius:2px}
.track .p-dns,.track .p-send{background:var(--name)}
.track .p-connect,.track .p-proxy,.track .p-receive{background:var(--good)}
.track .p-tls,.track .p-retry{background:var(--odd)}
.track .p-server,.track .p-queue{background:var(--faint);opacity:.6}
.track .p-failed{background:var(--bad)}
@media(max-width:46rem){.line{grid-template-columns:1fr}.notes{padding-top:.3rem}
dl{grid-template-columns:5rem 1fr}dd{grid-template-columns:1fr 4.8rem}}
@media print{article,.times{break-inside:avoid}}
"""
