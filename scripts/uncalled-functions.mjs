import { readFileSync, readdirSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './setup.mjs'

/**
 * The functions that no process called, as lines by source file, from V8's raw coverage. V8 reports no branches inside
 * a function that was never called, so c8 would count such a function as nothing to cover.
 */
export function readUncalledFunctions(folder) {
  const calls = new Map()
  for (const name of readdirSync(folder)) {
    const { result, 'source-map-cache': maps = {} } = JSON.parse(readFileSync(join(folder, name), 'utf8'))
    for (const { url, functions } of result) {
      if (!isOurs(url) || !maps[url]?.data) continue
      const locate = createLocator(url, maps[url])
      for (const { ranges } of functions) {
        const place = locate(ranges[0].startOffset)
        if (place !== undefined) calls.set(place, (calls.get(place) ?? 0) + ranges[0].count)
      }
    }
  }
  const uncalled = new Map()
  for (const [place, count] of calls) {
    const [file, line] = place.split(':')
    if (count === 0) uncalled.set(file, [...(uncalled.get(file) ?? []), Number(line)])
  }
  return uncalled
}

function isOurs(url) {
  return url.startsWith('file:') && /^packages\/[^/]+\/src\//.test(fromRoot(fileURLToPath(url)))
}

/** Maps an offset in the code that ran to `file:line:column` in its source; compiler helpers have none. */
function createLocator(url, { data, lineLengths }) {
  const map = new SourceMap(data)
  return (offset) => {
    let line = 0
    let column = offset
    while (line < lineLengths.length && column > lineLengths[line]) {
      column -= lineLengths[line] + 1
      line += 1
    }
    const entry = map.findEntry(line, column)
    if (entry.originalSource === undefined) return undefined
    const source = fromRoot(fileURLToPath(new URL(entry.originalSource, url)))
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn}`
  }
}

function fromRoot(path) {
  return relative(root, path).split(sep).join('/')
}
