import { type SchemaFault, validateDocument } from '#validator'
import { describeValue, findNearest, isRecord } from '@countersign/spiffe/options'
import type { PolicyDocument } from '../policy-document.ts'
import type { PathStep } from '../yaml/read-yaml.ts'

/** A difference between a value and the schema. */
export interface FieldFault {
  readonly path: readonly PathStep[]
  /** Whether the name of the field is at fault, or its value. */
  readonly part: 'key' | 'value'
  readonly found: string
  readonly expected: string
  readonly nearest?: string
}

/** Returns true if a value matches the schema. The meaning of its values is checked elsewhere. */
export function isDocument(value: unknown): value is PolicyDocument {
  return validateDocument(value)
}

/** Returns the differences between a value and the schema: all of them, or the first thousand. */
export function findFaults(value: unknown): readonly FieldFault[] {
  if (validateDocument(value)) return []
  return (validateDocument.errors ?? []).slice(0, mostFaults).flatMap((fault) => describeFault(fault, value) ?? [])
}

/** More than are reported. Describing a million would exceed the worker's timeout. */
const mostFaults = 1000

function describeFault(fault: SchemaFault, document: unknown): FieldFault | undefined {
  const { keyword, params, instancePath, data } = fault
  // The fault inside `then` or `else` is reported.
  if (keyword === 'if') return undefined
  const path = parsePointer(instancePath, document)
  if (keyword === 'additionalProperties') return describeUnknown(path, String(params['additionalProperty']), fault)
  const at = { path, part: 'value' as const }
  if (keyword === 'required') {
    return { ...at, found: `no ${String(params['missingProperty'])}`, expected: 'that field, which is required' }
  }
  if (keyword === 'minProperties' || keyword === 'maxProperties') return { ...at, ...describeCount(fault) }
  if (keyword === 'minItems' || keyword === 'minLength') {
    return { ...at, found: describeValue(data), expected: keyword === 'minItems' ? 'at least one entry' : 'text' }
  }
  return { ...at, found: describeValue(data), ...describeExpected(fault) }
}

// Known names with the same prefix or a similar spelling.
function describeUnknown(path: readonly PathStep[], name: string, { parentSchema }: SchemaFault): FieldFault {
  const known = listFields(parentSchema?.['properties'])
  const nearest = findNearest(name, known)
  const reason = onlyInCode.get(name)
  const allowed = reason ?? `one of ${known.filter((each) => each !== '$schema').join(', ')}`
  return {
    path: [...path, name],
    part: 'key',
    found: `the unknown field ${describeValue(name)}`,
    expected: allowed,
    ...(nearest !== undefined && reason === undefined && { nearest }),
  }
}

const onlyInCode: ReadonlyMap<string, string> = new Map([
  ['custom', 'a requirement that is data; a function exists only in code'],
  ['perRoute', "another requirement; perRoute() belongs to the application's routes and exists only in code"],
  ['declaredAt', 'no such field; it is added when the document is parsed'],
])

function describeCount({ data, keyword, parentSchema }: SchemaFault): Pick<FieldFault, 'found' | 'expected'> {
  const names = listFields(data)
  const shown = names.slice(0, mostNames).map((name) => describeValue(name).slice(1, -1))
  if (names.length > mostNames) shown.push(`${names.length - mostNames} more`)
  const found = names.length === 0 ? 'an empty mapping' : `only ${shown.join(', ')}`
  if (keyword === 'maxProperties') {
    return { found: shown.join(' and '), expected: 'exactly one field; combine several with allOf or anyOf' }
  }
  const known = listFields(parentSchema?.['properties'])
  return { found, expected: `${names.length === 0 ? 'at least one' : 'also one'} of ${known.join(', ')}` }
}

/** More than a rule combines by mistake. */
const mostNames = 5

function listFields(value: unknown): readonly string[] {
  return isRecord(value) ? Object.keys(value) : []
}

function describeExpected({ keyword, schema, data }: SchemaFault): Pick<FieldFault, 'expected' | 'nearest'> {
  switch (keyword) {
    case 'const':
      return { expected: String(schema) }
    case 'enum': {
      const known = Array.isArray(schema) ? schema.map(String) : []
      const nearest = typeof data === 'string' ? findNearest(data, known) : undefined
      return { expected: `one of ${known.join(', ')}`, ...(nearest !== undefined && { nearest }) }
    }
    case 'minimum':
    case 'maximum':
      return { expected: `a number of ${keyword === 'minimum' ? 'at least' : 'at most'} ${String(schema)}` }
    case 'type':
      return { expected: describeType(schema, data) }
    default:
      return { expected: `a value that satisfies '${keyword}'` }
  }
}

function describeType(type: unknown, data: unknown): string {
  const names = (Array.isArray(type) ? type : [type]).map((name) => types.get(String(name)) ?? String(name))
  const isUnquoted = type === 'string' && (typeof data === 'number' || typeof data === 'boolean')
  return `${names.join(' or ')}${isUnquoted ? ', in quotes' : ''}`
}

const types: ReadonlyMap<string, string> = new Map([
  ['string', 'text'],
  ['integer', 'a whole number'],
  ['boolean', 'true or false'],
  ['array', 'a list'],
  ['object', 'a mapping'],
])

/** Parses a JSON pointer. Only the value shows whether a step is the index of a list or the name of a field. */
function parsePointer(pointer: string, document: unknown): readonly PathStep[] {
  let value = document
  return pointer
    .split('/')
    .slice(1)
    .map((escaped) => {
      const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
      const step = Array.isArray(value) ? Number(name) : name
      value = isRecord(value) || Array.isArray(value) ? Reflect.get(value, name) : undefined
      return step
    })
}
