import { EVENT_ID, type Event, parseEvents, YAMLException } from 'js-yaml'
import { buildValue } from './build-value.ts'
import { locatePath, startOf } from './locate-path.ts'

/** A step of the path to a value: the key of a mapping, or the index of a list. */
export type PathStep = string | number

/** A fault of the text, such as a duplicate key. */
export interface TextFault {
  /** Index into the text. */
  readonly offset: number
  readonly path: readonly PathStep[]
  readonly found: string
  readonly expected: string
}

/** A parsed text. */
export interface ReadYaml {
  /** Undefined if there are faults. */
  readonly value: unknown
  readonly faults: readonly TextFault[]
  /**
   * Returns the index into the text of the value at this path, or of its key. If there is none, returns the index of
   * the nearest enclosing value.
   */
  readonly locate: (path: readonly PathStep[], part?: 'key' | 'value') => number
}

/**
 * Reads a text as YAML 1.2, which includes JSON. One pass of the parser produces both the value and the positions, so
 * that they cannot disagree. Rejects features that hide what a document means: aliases, anchors, tags, merge keys,
 * duplicate keys and further documents.
 */
export function readYaml(text: string): ReadYaml {
  let events: readonly Event[]
  try {
    events = parseEvents(text, { maxDepth: deepest })
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error
    return refuse(error.mark?.position ?? 0, describeReason(error.reason), 'YAML or JSON')
  }
  const second = events.filter(({ type }) => type === EVENT_ID.DOCUMENT)[1]
  if (second !== undefined) {
    return refuse(findSecond(events), 'a second document', 'one document; write the others to files of their own')
  }
  const { value, faults, entries } = buildValue(text, events)
  return { value, faults, locate: (path, part) => locatePath(text, events, entries, path, part) }
}

/** Requirements may be nested 32 levels deep, each in a mapping and a list. */
const deepest = 100

function describeReason(reason: string): string {
  return reason.includes('maxDepth') ? `more than ${deepest} levels` : `invalid syntax (${reason})`
}

function refuse(offset: number, found: string, expected: string): ReadYaml {
  return { value: undefined, faults: [{ offset, path: [], found, expected }], locate: () => offset }
}

function findSecond(events: readonly Event[]): number {
  const from = events.findLastIndex(({ type }) => type === EVENT_ID.DOCUMENT)
  for (const event of events.slice(from)) {
    const start = startOf(event)
    if (start !== undefined) return start
  }
  return 0
}
