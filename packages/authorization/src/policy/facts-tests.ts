import type { DecisionRequest } from '../decide.ts'
import { type Address, createBlockTest, parseAddressBlock, readAddress } from './address-block.ts'
import { type FieldTest, listValues, type MatchOutcome, negate, outcomeOf } from './field-test.ts'
import { createValueTest, splitHeaderLine } from './header-condition.ts'
import { createHostTest, normalizeHost } from './host-pattern.ts'
import type { Policy, PolicyHeader } from './policy.ts'

/** Creates the test of a field that compares an address. */
export function createAddressTest(
  field: string,
  blocks: readonly string[],
  name: 'ipBlocks' | 'notIpBlocks' | 'remoteIpBlocks' | 'notRemoteIpBlocks',
  read: AddressReader,
): FieldTest {
  const isInside = createBlockTest(blocks.map((block) => parseAddressBlock(block, field)))
  const isNegative = name === 'notIpBlocks' || name === 'notRemoteIpBlocks'
  const isRemote = name === 'remoteIpBlocks' || name === 'notRemoteIpBlocks'
  const find = ({ facts }: DecisionRequest): string | undefined =>
    isRemote ? facts?.remoteAddress : facts?.socketAddress
  return {
    field,
    test: (request) => {
      const text = find(request)
      const address = text === undefined ? undefined : read(text)
      if (address === undefined) return 'unknown'
      return outcomeOf(isInside(address) !== isNegative)
    },
    describe: (request) =>
      `the address is ${find(request) ?? 'not known'}, expected ${isNegative ? 'none' : 'one'} of ${listValues(blocks)}`,
  }
}

/** Parses an address of a request. */
export type AddressReader = (text: string) => Address | undefined

/** Creates a reader that caches the most recent addresses, because a connection has many requests. */
export function createAddressReader(): AddressReader {
  const recent = new Map<string, Address | undefined>()
  return (text) => {
    const known = recent.get(text)
    if (known !== undefined || text.length > 80) return known
    if (recent.size === mostRecent) recent.clear()
    const address = readAddress(text)
    recent.set(text, address)
    return address
  }
}

/** A few dozen KiB. */
const mostRecent = 256

/** Creates the test of `hosts` or `notHosts`. */
export function createHostsTest(field: string, hosts: readonly string[], isNegative: boolean): FieldTest {
  const isListed = createHostTest(hosts)
  return {
    field,
    test: ({ facts }) => {
      const host = facts?.host
      return host === undefined ? 'unknown' : outcomeOf(isListed(normalizeHost(host)) !== isNegative)
    },
    describe: ({ facts }) =>
      `the host is ${facts?.host ?? 'not known'}, expected ${isNegative ? 'none' : 'one'} of ${listValues(hosts)}`,
  }
}

/** Creates the test of `ports` or `notPorts`. */
export function createPortsTest(field: string, ports: readonly number[], isNegative: boolean): FieldTest {
  const listed = new Set(ports)
  return {
    field,
    test: ({ facts }) => {
      const port = facts?.port
      return port === undefined ? 'unknown' : outcomeOf(listed.has(port) !== isNegative)
    },
    describe: ({ facts }) =>
      `the port is ${facts?.port ?? 'not known'}, expected ${isNegative ? 'none' : 'one'} of ${listValues(ports)}`,
  }
}

/** Creates the tests of an entry of `when`. */
export function createHeaderTests(
  { header, values, notValues }: PolicyHeader,
  place: string,
  action: Policy['action'],
): readonly FieldTest[] {
  return [
    ...(values === undefined ? [] : [createHeaderTest(header, values, `${place}.values`, action, false)]),
    ...(notValues === undefined ? [] : [createHeaderTest(header, notValues, `${place}.notValues`, action, true)]),
  ]
}

function createHeaderTest(
  header: string,
  values: readonly string[],
  field: string,
  action: Policy['action'],
  isNegative: boolean,
): FieldTest {
  const isListed = createValueTest(values)
  const compare = action === 'DENY' ? matchAny : matchOnly
  return {
    field,
    test: ({ facts }) => {
      const lines = facts?.headerLines(header)
      if (lines === undefined || hasTooMany(lines)) return 'unknown'
      if (lines.length === 0) return outcomeOf(isNegative)
      return compare(lines, isListed, isNegative)
    },
    // Header values may be secrets, so messages omit them.
    describe: ({ facts }) =>
      `${describeLines(header, facts?.headerLines(header))}, expected ${isNegative ? 'none' : 'one'} of ${listValues(values)}`,
  }
}

// Each condition compares each value, so without a limit a caller could make decisions arbitrarily slow.
function hasTooMany(lines: readonly string[]): boolean {
  let count = lines.length
  for (const line of lines) {
    if (count > mostValues) return true
    for (let at = line.indexOf(','); at !== -1 && count <= mostValues; at = line.indexOf(',', at + 1)) count += 1
  }
  return count > mostValues
}

const mostValues = 256

type CompareLines = (
  lines: readonly string[],
  isListed: (value: string) => boolean,
  isNegative: boolean,
) => MatchOutcome

// For DENY: a handler may use any line, or any element of a comma-separated line.
const matchAny: CompareLines = (lines, isListed, isNegative) =>
  outcomeOf(
    lines.some(
      (line) =>
        isListed(line) !== isNegative ||
        splitHeaderLine(line)?.some((element) => isListed(element) !== isNegative) === true,
    ),
  )

// For ALLOW: exactly one line, compared as a whole. None of its elements may be an excluded value.
const matchOnly: CompareLines = (lines, isListed, isNegative) => {
  const line = lines[0]
  if (line === undefined || lines.length > 1) return 'no-match'
  const isFound = isListed(line) || (isNegative && splitHeaderLine(line)?.some(isListed) === true)
  return isNegative ? negate(outcomeOf(isFound)) : outcomeOf(isFound)
}

function describeLines(header: string, lines: readonly string[] | undefined): string {
  if (lines === undefined) return 'the headers are not known'
  if (hasTooMany(lines)) return `the request has more than ${mostValues} values of '${header}'`
  if (lines.length === 0) return `the request has no header '${header}'`
  return `the request has ${lines.length === 1 ? 'another value' : 'several lines'} of '${header}'`
}
