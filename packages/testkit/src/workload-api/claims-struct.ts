/** A `google.protobuf.Value` as the protobuf runtime expects it. */
type StructValue =
  | { readonly nullValue: 0 }
  | { readonly numberValue: number }
  | { readonly stringValue: string }
  | { readonly boolValue: boolean }
  | { readonly listValue: { readonly values: readonly StructValue[] } }
  | { readonly structValue: Struct }

/** A `google.protobuf.Struct` as the protobuf runtime expects it. */
export interface Struct {
  readonly fields: Readonly<Record<string, StructValue>>
}

/** Converts JSON claims into a `google.protobuf.Struct`. */
export function toStruct(claims: object): Struct {
  const entries = Object.entries(claims).map(([name, value]: [string, unknown]) => [name, toValue(value)] as const)
  return { fields: Object.fromEntries(entries) }
}

function toValue(value: unknown): StructValue {
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } }
  return typeof value === 'object' && value !== null ? { structValue: toStruct(value) } : { nullValue: 0 }
}
