import { describeValue } from '@countersign/spiffe/options'
import { refuseRule } from './refuse-rule.ts'

/** A set of paths, in the common form in which rules and routes are compared with each other and with targets. */
export interface SegmentPattern {
  /** Starts with a slash unless empty. A `*` segment matches any one non-empty segment. */
  readonly path: string
  /**
   * True if the pattern includes everything below that path. The pattern for all paths has an empty path and `rest:
   * true`.
   */
  readonly rest: boolean
}

/**
 * Parses the path of a rule. Segments are written decoded. `*` matches one whole non-empty segment; `**` is allowed
 * only at the end. Anything else that looks like a pattern is an error, because it would not work as the author
 * expects.
 *
 * @throws {ConfigurationError} `rule_invalid`; the message states what to write instead
 */
export function parsePathPattern(input: unknown, where: string): SegmentPattern {
  if (typeof input !== 'string') refuseRule(where, input, 'a path')
  if (!input.startsWith('/')) refuseRule(where, input, `a leading slash: '/${input}'`)
  refuseCharacters(input, where)
  const segments = input.slice(1).split('/')
  for (const [index, segment] of segments.entries()) {
    const isLast = index === segments.length - 1
    if (segment === '' && !isLast) refuseRule(where, input, 'no empty segment')
    if (segment === '.' || segment === '..')
      refuseRule(where, input, 'no dot segment, because requests with such a path are denied')
    if (/^:\w/.test(segment)) refuseRule(where, input, `'*' instead of '${segment}', because rules have no parameters`)
    if (/[!@+]\(|[|]/.test(segment)) refuseRule(where, input, `a separate rule for each alternative of '${segment}'`)
    if (segment === '**' && !isLast) refuseRule(where, input, "'**' to be the last segment")
    if (segment.includes('*') && segment !== '*' && segment !== '**') {
      refuseRule(where, input, `'*' or '**' as a whole segment instead of '${segment}'`)
    }
  }
  return readPathPattern(input)
}

/** Returns the pattern of a path that was parsed before. */
export function readPathPattern(text: string): SegmentPattern {
  const rest = text.endsWith('/**')
  return Object.freeze({ path: rest ? text.slice(0, -'/**'.length) : text, rest })
}

function refuseCharacters(text: string, where: string): void {
  if (text.includes('%')) refuseRule(where, text, `the decoded path, as rules compare it: ${suggestDecoded(text)}`)
  const [pattern] = /[?[\]{}]/.exec(text) ?? []
  if (pattern !== undefined)
    refuseRule(where, text, `no '${pattern}'; the only wildcards are '*' and '**' as whole segments`)
  // A target with one of these characters is refused before it reaches the rules, also in escaped form for those whose
  // escapes are refused.
  if (/[\\;#\p{Cc}\p{Cs}]/u.test(text)) refuseRule(where, text, "no '\\', ';', '#' or control character")
}

function suggestDecoded(text: string): string {
  try {
    return describeValue(decodeURIComponent(text))
  } catch {
    return "without '%'"
  }
}
