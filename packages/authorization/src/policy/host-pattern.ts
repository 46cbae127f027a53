import { refuseRule } from '../refuse-rule.ts'

/** Returns a host in the form that policies compare: in lower case, without a port and without a trailing dot. */
export function normalizeHost(text: string): string {
  const lower = text.toLowerCase()
  const name = lower.replace(port, '')
  // An IPv6 address ends with a bracket, so the text after its last colon is not a port.
  return name.endsWith('.') ? name.slice(0, -1) : name
}

const port = /:\d*$/

/**
 * Parses a host name, or `*.` and a host name for every name below it, and returns it in lower case.
 *
 * @throws {ConfigurationError} `rule_invalid`
 */
export function parseHostPattern(text: string, where: string): string {
  const lower = text.toLowerCase()
  if (lower === '*') refuseRule(where, text, 'a host name; to match every host, leave out the field')
  if (/^[a-z]+:\/\//.test(lower) || lower.includes('/')) refuseRule(where, text, 'a host name without a scheme or path')
  const isAddress = /^\[[0-9a-f:.]{2,45}\]$/.test(lower)
  const withPort = isAddress ? null : /^(.+):(\d+)$/.exec(lower)
  if (withPort !== null) {
    refuseRule(where, text, `'${withPort[1]}' without the port; to match a port of this service, use ports`)
  }
  if (lower.endsWith('.')) refuseRule(where, text, `'${lower.slice(0, -1)}' without the last dot`)
  const name = lower.startsWith('*.') ? lower.slice(2) : lower
  if (name.includes('*')) refuseRule(where, text, "'*' only in front, as in '*.api.example'")
  if (!isAddress && !/^[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*$/.test(name)) refuseRule(where, text, 'a host name')
  return lower
}

/** Creates a test whether a normalized host matches one of these patterns. */
export function createHostTest(patterns: readonly string[]): (host: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !pattern.startsWith('*.')))
  const parents = new Set(patterns.flatMap((pattern) => (pattern.startsWith('*.') ? [pattern.slice(2)] : [])))
  return (host) => {
    if (names.has(host)) return true
    if (parents.size === 0) return false
    for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      // A name that begins with a dot is not a valid host.
      if (dot > 0 && parents.has(host.slice(dot + 1))) return true
    }
    return false
  }
}
