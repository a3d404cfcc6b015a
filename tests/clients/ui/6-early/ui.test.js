import { testClient } from "../suite.js";
import * as ai from "ai";
import * as react from "@ai-sdk/react";

testClient("6.0.0", { ...ai, ...react });
