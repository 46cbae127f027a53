import { createHash } from 'node:crypto'
import type { AccessMatrix, MatrixCell, MatrixRow } from '@countersign/core'
import { count } from '../../output/count.ts'
import { formatMoment } from '../../output/format-time.ts'
import { escapeHtml } from './escape-html.ts'
import { type FoldedRoute, foldRoutes } from './fold-routes.ts'
import { matrixScript } from './matrix-script.ts'
import { matrixStyle } from './matrix-style.ts'

/** The service and the time that the page states. */
export interface PageOptions {
  /** The SPIFFE ID of the service. */
  readonly service: string
  /** Epoch milliseconds. */
  readonly at: number
}

/**
 * Formats a matrix as one page that loads nothing, and that works without scripts. Its content security policy allows
 * only its own script and style, so that a name in the matrix can never become code.
 */
export function formatMatrixHtml(matrix: AccessMatrix, { service, at }: PageOptions): string {
  const columns = foldRoutes(matrix)
  const reasons = new Reasons()
  const rows = matrix.rows.map((row) => formatRow(row, columns, reasons))
  const hasLog = matrix.rows.some(({ cells }) => cells.some(({ isUsed }) => isUsed !== undefined))
  const title = `Who may call ${service}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${securityPolicy}">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${matrixStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p>${formatSummary(matrix, columns.length, at)}</p>
</header>
<main>
<form id="filter" role="search" hidden>
<label>Callers <input type="search" id="callers" autocomplete="off" spellcheck="false"></label>
<label>Routes <input type="search" id="routes" autocomplete="off" spellcheck="false"></label>
<label>Cells <select id="cells">
<option value="">all</option>
<option value="allow">allow</option>
<option value="depends">depends</option>
<option value="deny">deny</option>
${hasLog ? '<option value="unused">allowed, but not used</option>\n' : ''}</select></label>
<output id="found"></output>
</form>
<ul class="legend">
<li><span class="allow">allow</span></li>
<li><span class="depends">depends</span> on the request: follow the link</li>
<li><span class="deny">deny</span></li>
${hasLog ? '<li><span class="allow unused">allow, unused</span> allowed, but not in the log</li>\n' : ''}</ul>
<div class="scroll" role="region" aria-label="Access matrix" tabindex="0">
<table>
<thead>
<tr><th scope="col">Caller</th>${columns.map(formatHead).join('')}</tr>
</thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</div>
<p id="shown" hidden></p>
<section aria-labelledby="reasons">
<h2 id="reasons">Reasons</h2>
<ol>
${reasons.format()}
</ol>
</section>
</main>
<script>${matrixScript}</script>
</body>
</html>
`
}

const securityPolicy = [
  "default-src 'none'",
  `script-src '${hashOf(matrixScript)}'`,
  `style-src '${hashOf(matrixStyle)}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`
}

function formatSummary({ rows, routes, revision }: AccessMatrix, columns: number, at: number): string {
  const folded = columns < routes.length ? ` in ${columns} columns` : ''
  const parts = [
    `${count(rows.length, 'caller')}, ${count(routes.length, 'route')}${folded}`,
    `made at ${formatMoment(at)}`,
  ]
  if (revision !== undefined) parts.push(`revision ${revision}`)
  return parts.map(escapeHtml).join(' · ')
}

/** How many routes of a column are always visible. */
const visibleRoutes = 3

function formatHead({ routes }: FoldedRoute): string {
  const lines = routes.map(
    ({ method, path }) =>
      `<span class="route"><span class="method">${escapeHtml(method === '*' ? 'any' : method)}</span> ${formatName(path)}</span>`,
  )
  const rest = lines.slice(visibleRoutes)
  const more = rest.length === 0 ? '' : `<details><summary>${rest.length} more</summary>${rest.join('')}</details>`
  return `<th scope="col">${lines.slice(0, visibleRoutes).join('')}${more}</th>`
}

function formatRow({ caller, kind, cells }: MatrixRow, columns: readonly FoldedRoute[], reasons: Reasons): string {
  const shown = columns.map(({ index }) => formatCell(cells[index], reasons))
  return `<tr class="${kind}"><th scope="row"><span class="name">${formatName(caller)}</span></th>${shown.join('')}</tr>`
}

// A browser breaks a long name after a slash rather than inside a segment.
function formatName(name: string): string {
  return escapeHtml(name).replaceAll(/\/(?=[^/])/g, '/<wbr>')
}

function formatCell(cell: MatrixCell | undefined, reasons: Reasons): string {
  if (cell === undefined) return '<td></td>'
  const { effect, because, isUsed } = cell
  const isUnused = isUsed === false
  const text = isUnused ? `${effect}, unused` : effect
  return `<td class="${effect}${isUnused ? ' unused' : ''}"><a href="#${reasons.find(because)}">${text}</a></td>`
}

/** Collects each reason once, because many cells share few reasons. */
class Reasons {
  readonly #ids = new Map<string, string>()

  find(because: string): string {
    const id = this.#ids.get(because) ?? `reason-${this.#ids.size + 1}`
    this.#ids.set(because, id)
    return id
  }

  format(): string {
    return [...this.#ids].map(([because, id]) => `<li id="${id}">${escapeHtml(because)}</li>`).join('\n')
  }
}
