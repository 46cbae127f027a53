import {
  boolCoreTag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  SCALAR_STYLE,
} from 'js-yaml'
import { startOf } from './locate-path.ts'
import type { PathStep, TextFault } from './read-yaml.ts'

/** The value that the events of one document describe. */
export interface BuiltValue {
  /** Undefined if there are faults. */
  readonly value: unknown
  readonly faults: readonly TextFault[]
  /** The index of the event of each entry, for the lists that are fields of the document. */
  readonly entries: ReadonlyMap<string, readonly number[]>
}

/** Builds the value of a document. Each event adds to the value or is a fault; nothing is ignored. */
export function buildValue(text: string, events: readonly Event[]): BuiltValue {
  const builder = new ValueBuilder(text)
  for (const [index, event] of events.entries()) builder.add(event, index)
  return builder.finish()
}

/** A collection whose end was not reached. */
type OpenCollection =
  | { readonly kind: 'mapping'; readonly value: Record<string, unknown>; key: string | undefined }
  | { readonly kind: 'list'; readonly value: unknown[]; readonly entries: number[] | undefined }

class ValueBuilder {
  readonly #text: string
  readonly #open: OpenCollection[] = []
  readonly #faults: TextFault[] = []
  readonly #entries = new Map<string, number[]>()
  #root: unknown = null
  /** Index into the text: the position of the last event. Some events have no position. */
  #offset = 0

  constructor(text: string) {
    this.#text = text
  }

  add(event: Event, index: number): void {
    const parent = this.#open.at(-1)
    if (parent?.kind === 'list' && event.type !== EVENT_ID.POP) parent.entries?.push(index)
    switch (event.type) {
      case EVENT_ID.DOCUMENT:
        if (event.directives.length > 0) this.#refuse(0, 'a directive', 'none; documents are YAML 1.2')
        return
      case EVENT_ID.POP:
        this.#open.pop()
        return
      case EVENT_ID.ALIAS:
        this.#refuse(event.anchorStart - 1, 'an alias', 'the value itself, so that a reader sees what applies')
        this.#place(null, false)
        return
      case EVENT_ID.MAPPING: {
        this.#begin(event)
        const value: Record<string, unknown> = {}
        this.#place(value, true)
        this.#open.push({ kind: 'mapping', value, key: undefined })
        return
      }
      case EVENT_ID.SEQUENCE: {
        this.#begin(event)
        const value: unknown[] = []
        const entries = this.#startEntries()
        this.#place(value, true)
        this.#open.push({ kind: 'list', value, entries })
        return
      }
      case EVENT_ID.SCALAR: {
        this.#begin(event)
        const content = event.valueStart < 0 ? '' : getScalarValue(this.#text, event)
        if (parent?.kind === 'mapping' && parent.key === undefined) {
          this.#startField(parent, content, event.style === SCALAR_STYLE.PLAIN)
        } else {
          this.#place(event.style === SCALAR_STYLE.PLAIN ? resolveScalar(content) : content, false)
        }
      }
    }
  }

  finish(): BuiltValue {
    const isFaulty = this.#faults.length > 0
    return { value: isFaulty ? undefined : this.#root, faults: this.#faults, entries: this.#entries }
  }

  #begin(event: Extract<Event, { readonly tagStart: number }>): void {
    const { anchorStart, tagStart } = event
    this.#offset = startOf(event) ?? this.#offset
    if (anchorStart >= 0) this.#refuse(anchorStart - 1, 'an anchor', 'none, because aliases are not supported')
    if (tagStart >= 0) this.#refuse(tagStart, 'a tag', 'none; the schema determines the type of each field')
  }

  #startField(parent: Extract<OpenCollection, { kind: 'mapping' }>, key: string, isPlain: boolean): void {
    if (isPlain && key === '<<') this.#refuse(this.#offset, "a merge key '<<'", 'the fields themselves')
    if (isPlain && key === '') this.#refuse(this.#offset, 'a field without a name', 'a name')
    if (Object.hasOwn(parent.value, key)) this.#refuse(this.#offset, `a second '${key}'`, 'each field once')
    parent.key = key
  }

  /** Adds a value to the collection that is open. A mapping or list as a key is a fault. */
  #place(value: unknown, isCollection: boolean): void {
    const parent = this.#open.at(-1)
    if (parent === undefined) {
      this.#root = value
    } else if (parent.kind === 'list') {
      parent.value.push(value)
    } else if (parent.key === undefined) {
      this.#refuse(this.#offset, isCollection ? 'a mapping or a list as a key' : 'an alias as a key', 'text')
      // The next event is its value.
      parent.key = ''
    } else {
      // An assignment to `__proto__` would change the prototype instead.
      Object.defineProperty(parent.value, parent.key, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      })
      parent.key = undefined
    }
  }

  /** Starts the list of entries of a field of the document. */
  #startEntries(): number[] | undefined {
    const [root] = this.#open
    if (this.#open.length !== 1 || root?.kind !== 'mapping' || root.key === undefined) return undefined
    const entries: number[] = []
    this.#entries.set(root.key, entries)
    return entries
  }

  #refuse(offset: number, found: string, expected: string): void {
    if (this.#faults.length < mostFaults) {
      this.#faults.push({ offset: Math.max(0, offset), path: this.#path(), found, expected })
    }
  }

  #path(): readonly PathStep[] {
    return this.#open.flatMap((each): readonly PathStep[] => {
      if (each.kind === 'list') return [each.value.length]
      return each.key === undefined ? [] : [each.key]
    })
  }
}

const mostFaults = 100

/** Returns the value of a plain scalar according to the core schema of YAML 1.2, where `NO`, `on` and `1_000` are text. */
function resolveScalar(content: string): unknown {
  if (!mayBeTyped.test(content)) return content
  for (const tag of [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]) {
    const value = tag.resolve(content, false, tag.tagName)
    if (value !== NOT_RESOLVED) return value
  }
  return content
}

const mayBeTyped = /^(?:$|[-+.\d~nNtTfF])/
