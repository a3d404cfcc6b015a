/** For scripts of a provider that is cut off. */
/** The beginning of a call whose arguments never come to an end. */
export const HALF_A_CALL = {
  raw: `data: ${
    JSON.stringify({
      id: "x",
      choices: [{
        index: 0,
        delta: {
          tool_calls: [{
            index: 0,
            id: "call_1",
            type: "function",
            function: { name: "where", arguments: '{"exact": tr' },
          }],
        },
      }],
    })
  }\n\n`,
};
