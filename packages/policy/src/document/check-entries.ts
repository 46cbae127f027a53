import { parseRequirement } from '@countersign/authorization'
import { describeThrown, isRecord } from '@countersign/spiffe/options'
import type { FieldFault } from '../schema/find-faults.ts'
import type { PathStep } from '../yaml/read-yaml.ts'

/**
 * Checks every rule and policy of a document with the functions that check those in code, and returns the first fault of
 * each. An entry that differs from the schema is left out, because its faults are known.
 */
export function checkEntries(document: unknown, known: readonly FieldFault[]): readonly FieldFault[] {
  if (!isRecord(document)) return []
  const { rules, policies } = document
  if (rules === undefined && policies === undefined) {
    return [{ path: [], part: 'value', found: 'neither rules nor policies', expected: 'one of them, or both' }]
  }
  const faulty = new Set(known.map(({ path: [list, index] }) => `${list}[${index}]`))
  const check = (list: string, entries: unknown, parse: (entry: unknown, where: string) => unknown): FieldFault[] => {
    if (!Array.isArray(entries)) return []
    return entries.flatMap((entry: unknown, index) => {
      const where = `${list}[${index}]`
      return faulty.has(where) ? [] : findFault(() => parse(entry, where), [list, index])
    })
  }
  return check('rules', rules, (rule, where) => parseRequirement(isRecord(rule) && rule['allow'], `${where}.allow`))
}

function findFault(parse: () => unknown, entry: readonly PathStep[]): readonly FieldFault[] {
  try {
    parse()
    return []
  } catch (error) {
    return [describeRefusal(describeThrown(error), entry)]
  }
}

/** Splits a message of the form `<place>: found <value>, expected <what>`, which all these functions use. */
function describeRefusal(message: string, entry: readonly PathStep[]): FieldFault {
  const [, where, found, expected] = /^([^\s:]+): found (.*?), expected (.*)$/s.exec(message) ?? []
  if (where === undefined || found === undefined || expected === undefined) {
    return { path: entry, part: 'value', found: message, expected: 'a valid entry' }
  }
  const steps = [...where.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? Number(index))
  return { path: steps, part: 'value', found, expected }
}
