import { EVENT_ID, type Event, getScalarValue, SCALAR_STYLE } from 'js-yaml'
import type { PathStep } from './read-yaml.ts'

/**
 * Returns the index into the text of the value at this path, or of its key. If a step does not exist, returns the index
 * of the enclosing value.
 *
 * @param entries the events where the entries of the lists of the document begin, because a document may have thousands
 */
export function locatePath(
  text: string,
  events: readonly Event[],
  entries: ReadonlyMap<string, readonly number[]>,
  path: readonly PathStep[],
  part: 'key' | 'value' = 'value',
): number {
  const [list, entry] = path
  const known = typeof list === 'string' && typeof entry === 'number' ? entries.get(list)?.[entry] : undefined
  let index = known ?? events.findIndex(({ type }) => type !== EVENT_ID.DOCUMENT)
  let offset = startOf(events[index]) ?? 0
  const rest = known === undefined ? path : path.slice(2)
  for (const [position, step] of rest.entries()) {
    const found = findStep(text, events, index, step)
    if (found === undefined) return offset
    const isLast = position === rest.length - 1
    const place = isLast && part === 'key' ? found.key : found.value
    // An empty value has no position.
    offset = startOf(events[place]) ?? startOf(events[found.key]) ?? offset
    index = found.value
  }
  return offset
}

/** The events where a key and its value begin; for an entry of a list, both are the entry. */
interface FoundStep {
  readonly key: number
  readonly value: number
}

function findStep(text: string, events: readonly Event[], start: number, step: PathStep): FoundStep | undefined {
  const isMapping = events[start]?.type === EVENT_ID.MAPPING
  if (!isMapping && events[start]?.type !== EVENT_ID.SEQUENCE) return undefined
  let key = start + 1
  for (let count = 0; key < events.length && events[key]?.type !== EVENT_ID.POP; count += 1) {
    const value = isMapping ? endOf(events, key) : key
    if (isMapping ? readKey(text, events[key]) === step : count === step) return { key, value }
    key = endOf(events, value)
  }
  return undefined
}

function readKey(text: string, event: Event | undefined): string | undefined {
  return event?.type === EVENT_ID.SCALAR && event.valueStart >= 0 ? getScalarValue(text, event) : undefined
}

/** Returns the index of the event after this value. */
function endOf(events: readonly Event[], start: number): number {
  let open = 0
  for (let index = start; index < events.length; index += 1) {
    const type = events[index]?.type
    if (type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) open += 1
    if (type === EVENT_ID.POP) open -= 1
    if (open === 0) return index + 1
  }
  return events.length
}

/**
 * Returns where a value begins, including the quote of a scalar; undefined for an empty value, which has no position.
 */
export function startOf(event: Event | undefined): number | undefined {
  if (event?.type === EVENT_ID.MAPPING || event?.type === EVENT_ID.SEQUENCE) return event.start
  if (event?.type !== EVENT_ID.SCALAR || event.valueStart < 0) return undefined
  const isQuoted = event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED
  return event.valueStart - (isQuoted ? 1 : 0)
}
