/**
 * Which part of a target has to be decoded for Express to cut it in the wrong place: all of it, or only what follows a
 * segment with escapes.
 */
export type Reparsing = 'all' | 'belowEscapes'

/**
 * Finds targets that Express splits in the wrong place after a middleware engine has decoded them.
 *
 * Express parses a target with whitespace by the legacy `url.parse`, which escapes some characters of the path again.
 * Express takes the length of a mount path from this longer copy, but removes that number of characters from the
 * decoded target. Behind `app.use('/:tenant', router)` the path `/t%20t/xsecret` becomes `/secret`. A query after the
 * path can even become the path.
 *
 * @param url an accepted target: its path has well-formed escapes, and its query is ASCII without spaces
 */
export function findReparsing(url: string): Reparsing | undefined {
  if (!legacyTriggers.test(url)) return undefined
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  const segments = path.split('/')
  // Without a query, nothing follows the last segment that could be cut.
  if (query === -1) segments.pop()
  const lengthened = segments.findLastIndex((segment) => escapedAgain.test(segment))
  if (lengthened === -1) return undefined
  const escaped = segments.findIndex((segment) => segment.includes('%'))
  const isBelow = escaped !== -1 && escaped < lengthened
  return isBelow && legacyTriggers.test(path) ? 'belowEscapes' : 'all'
}

// Makes `parseurl` fall back to `url.parse`: tab, LF, FF, CR, space, U+00A0 and U+FEFF.
const legacyTriggers = /%(?:0[9acd]|20|c2%a0|ef%bb%bf)/i

// What `url.parse` escapes: space, quotes and others. Backslash and control characters are already refused in a path.
const escapedAgain = /["'<>^`{|}]|%(?:2[027]|3[ce]|5e|60|7[bcd])/i
