/** Looks again and again until it is right. */
export async function until<Value>(look: () => Promise<Value>, isRight: (value: Value) => boolean): Promise<Value> {
  for (;;) {
    const value = await look()
    if (isRight(value)) return value
  }
}
