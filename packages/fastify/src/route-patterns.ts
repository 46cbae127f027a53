import { ConfigurationError } from '@countersign/core'
import { describeValue, type SegmentPattern } from '@countersign/core/adapter'

/**
 * Returns the paths that a Fastify route matches, as patterns that a rule can contain. A segment with a parameter or a
 * regular expression counts as `*`. An optional last parameter yields both forms, and a wildcard yields everything
 * below.
 *
 * A parameter of find-my-way may be empty, which `*` never matches; the adapter denies such a request.
 *
 * @param url the full path of the route with its prefixes, as `onRoute` reports it
 * @see https://github.com/delvedor/find-my-way#supported-path-formats
 */
export function parseFastifyRoute(url: string): readonly SegmentPattern[] {
  if (typeof url !== 'string') {
    const message = `parseFastifyRoute: found ${describeValue(url)}, expected the path of a route`
    throw new ConfigurationError('option_invalid', message)
  }
  const optional = /^([^]*)(\/:[^/()]*)\?(\/?)$/.exec(url)
  if (optional === null) return [parseForm(url)]
  const [, before, parameter, slash] = optional
  return [parseForm(`${before}${parameter}${slash}`), parseForm(`${before}${slash}`)]
}

function parseForm(url: string): SegmentPattern {
  const segments = cutSegments(url)
  const last = segments.at(-1)
  // A target with an empty inner segment is refused, so the route can be reached only without that segment.
  const inner = segments.slice(0, -1).filter((segment) => segment.text !== '')
  // `/files*` also matches `/files-of-others/x`, so the narrowest rule pattern that contains it is everything in place
  // of that segment.
  const rest = last?.isParameter === false && last.text.endsWith('*')
  const kept = rest || last === undefined ? inner : [...inner, last]
  return { path: kept.map(({ isParameter, text }) => `/${isParameter ? '*' : text}`).join(''), rest }
}

interface RouteSegment {
  readonly text: string
  readonly isParameter: boolean
}

// A slash inside the regular expression of a parameter does not end the segment, and `::` means a colon.
function cutSegments(url: string): readonly RouteSegment[] {
  const segments: RouteSegment[] = []
  let text = ''
  let isParameter = false
  let isName = false
  for (let index = url.startsWith('/') ? 1 : 0; index < url.length; index += 1) {
    const character = url.charAt(index)
    if (character === '/') {
      segments.push({ text, isParameter })
      text = ''
      isParameter = false
      isName = false
      continue
    }
    text += character
    if (isName) {
      if (character === '(') index = findClosing(url, index)
      isName = !'(-.'.includes(character)
    } else if (character === ':') {
      if (url.charAt(index + 1) === ':') index += 1
      else {
        isParameter = true
        isName = true
      }
    }
  }
  segments.push({ text, isParameter })
  return segments
}

function findClosing(url: string, opening: number): number {
  let depth = 0
  for (let index = opening; index < url.length; index += 1) {
    const character = url.charAt(index)
    if (character === '\\') index += 1
    else if (character === '(') depth += 1
    else if (character === ')') depth -= 1
    if (depth === 0) return index
  }
  return url.length
}
