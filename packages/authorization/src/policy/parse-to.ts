import { isRecord, parseOptions, refuseValue } from '@countersign/spiffe/options'
import { parsePathPattern } from '../path-pattern.ts'
import { refuseRule } from '../refuse-rule.ts'
import { parseMethods } from '../rule.ts'
import { parseHostPattern } from './host-pattern.ts'
import { parseTexts, refuseContradiction, refuseRepeated } from './parse-lists.ts'
import type { PolicyTo } from './policy.ts'

/**
 * Parses an entry of `to` into a frozen copy.
 *
 * @throws {ConfigurationError} the message states where, what was found and what to write instead
 */
export function parsePolicyTo(input: unknown, where: string): PolicyTo {
  if (typeof input === 'string') refuseValue(where, input, `an entry such as { paths: ['${input}'] }`)
  if (!isRecord(input)) refuseValue(where, input, 'an entry with fields such as paths')
  const options = parseOptions(input, fields, where)
  const to: Writable = {}
  for (const key of ['methods', 'notMethods'] as const) {
    if (options[key] !== undefined) to[key] = parseMethodNames(options[key], `${where}.${key}`)
  }
  for (const key of ['paths', 'notPaths'] as const) {
    if (options[key] !== undefined) to[key] = parseTexts(options[key], `${where}.${key}`, parsePath)
  }
  for (const key of ['hosts', 'notHosts'] as const) {
    if (options[key] !== undefined) to[key] = parseTexts(options[key], `${where}.${key}`, parseHostPattern)
  }
  for (const key of ['ports', 'notPorts'] as const) {
    if (options[key] !== undefined) to[key] = parsePorts(options[key], `${where}.${key}`)
  }
  refuseContradiction(to.methods, to.notMethods, `${where}.notMethods`)
  refuseContradiction(to.paths, to.notPaths, `${where}.notPaths`)
  refuseContradiction(to.hosts, to.notHosts, `${where}.notHosts`)
  refuseContradiction(to.ports, to.notPorts, `${where}.notPorts`)
  return Object.freeze(to)
}

type Writable = { -readonly [Field in keyof PolicyTo]: PolicyTo[Field] }

const fields = ['methods', 'notMethods', 'paths', 'notPaths', 'hosts', 'notHosts', 'ports', 'notPorts']

function parseMethodNames(input: unknown, where: string): readonly string[] {
  parseMethods(input, where)
  return parseTexts(input, where, (method) => method)
}

function parsePath(text: string, where: string): string {
  parsePathPattern(text, where)
  return text
}

function parsePorts(input: unknown, where: string): readonly number[] {
  if (!Array.isArray(input)) refuseValue(where, input, 'a list of ports')
  if (input.length === 0) refuseValue(where, input, 'at least one entry')
  const ports = input.map((port: unknown, index) => {
    if (typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535) return port
    return refuseRule(`${where}[${index}]`, port, 'a port number from 1 to 65535')
  })
  refuseRepeated(ports, where)
  return Object.freeze(ports)
}
