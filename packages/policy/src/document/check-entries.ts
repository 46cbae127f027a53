import { checkRule, parsePolicies } from '@countersign/authorization'
import { ConfigurationError } from '@countersign/spiffe/id'
import { describeThrown, isRecord, parseDeadline } from '@countersign/spiffe/options'
import type { FieldFault } from '../schema/find-faults.ts'
import type { PathStep } from '../yaml/read-yaml.ts'

/**
 * Checks every rule and policy of a document with the functions that check those in code, and returns the first fault of
 * each. An entry that differs from the schema is left out, because its faults are known.
 */
export function checkEntries(document: unknown, known: readonly FieldFault[]): readonly FieldFault[] {
  if (!isRecord(document)) return []
  const { audit, rules, policies } = document
  if (rules === undefined && policies === undefined) {
    return [{ path: [], part: 'value', found: 'neither rules nor policies', expected: 'one of them, or both' }]
  }
  const faulty = new Set(known.map(({ path: [field, index] }) => (field === 'audit' ? field : `${field}[${index}]`)))
  const check = (list: string, entries: unknown, parse: (entry: unknown) => unknown): FieldFault[] => {
    if (!Array.isArray(entries)) return []
    return entries.flatMap((entry: unknown, index) => {
      return faulty.has(`${list}[${index}]`) ? [] : findFault(() => parse(entry), [list, index])
    })
  }
  const until = isRecord(audit) && !faulty.has('audit') ? audit['until'] : undefined
  return [
    ...(until === undefined ? [] : findFault(() => parseDeadline(until, 'audit.until', Date.now()), ['audit'])),
    ...check('rules', rules, (rule) => checkRule(rule, entryPlace)),
    ...check('policies', policies, (policy) => parsePolicies([policy], 'policies')),
  ]
}

/** The place in messages about one rule, which is replaced with the rule's own place. */
const entryPlace = 'rules[0]'

function findFault(parse: () => unknown, entry: readonly PathStep[]): readonly FieldFault[] {
  try {
    parse()
    return []
  } catch (error) {
    return [describeRefusal(error, entry)]
  }
}

/**
 * Splits a message of the form `<place>: found <value>, expected <what>`. Its place begins with the entry, under the index
 * 0, because each is checked alone.
 */
function describeRefusal(error: unknown, entry: readonly PathStep[]): FieldFault {
  const message = describeThrown(error)
  const where = error instanceof ConfigurationError ? error.where : undefined
  const [, found = message, expected = 'a valid entry'] =
    where !== undefined && message.startsWith(`${where}: found `)
      ? (/^found (.*?)(?:, expected |, which )(.*)$/s.exec(message.slice(where.length + 2)) ?? [])
      : []
  const steps = [...(where ?? '').matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
  return { path: [...entry, ...steps.slice(entry.length)], part: 'value', found, expected }
}
