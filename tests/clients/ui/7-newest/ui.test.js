import { testClient } from "../suite.js";
import * as ai from "ai";
import * as react from "@ai-sdk/react";

testClient("7.0.173", { ...ai, ...react });
